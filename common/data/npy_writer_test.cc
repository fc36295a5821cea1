#include "common/data/npy_writer.h"

#include <string>

#include "common/base/file_io.h"
#include "common/data/npy.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::data {
namespace {

using ::testing::ElementsAre;

TEST(NpyWriterTest, BytesAreThoseOfNumPy) {
  // numpy.save of numpy.array([1.5, -2.0], dtype='<f4'), NumPy 2.4.6.
  const std::string path = ::testing::TempDir() + "/two.npy";
  const float values[] = {1.5f, -2.0f};
  ASSERT_TRUE(WriteNpy<float>(path, {2}, values).ok());
  std::string expected("\x93NUMPY\x01\x00v\x00", 10);
  expected += "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
  expected.resize(127, ' ');
  expected += '\n';
  expected += std::string("\x00\x00\xc0\x3f\x00\x00\x00\xc0", 8);
  EXPECT_EQ(*base::ReadFile(path), expected);
}

TEST(NpyWriterTest, IsReadBack) {
  const std::string path = ::testing::TempDir() + "/matrix.npy";
  const int32_t numbers[] = {1, -2, 3, 4, 5, 6};
  ASSERT_TRUE(WriteNpy<int32_t>(path, {2, 3}, numbers).ok());
  auto array = ReadNpy(path);
  ASSERT_TRUE(array.ok()) << array.status().message();
  EXPECT_THAT(array->shape(), ElementsAre(2, 3));
  EXPECT_THAT(*array->Read<int32_t>(), ElementsAre(1, -2, 3, 4, 5, 6));
  const uint8_t bytes[] = {0, 255};
  ASSERT_TRUE(WriteNpy<uint8_t>(path, {1, 2, 1}, bytes).ok());
  array = ReadNpy(path);
  EXPECT_THAT(array->shape(), ElementsAre(1, 2, 1));
  EXPECT_THAT(*array->Read<uint8_t>(), ElementsAre(0, 255));
  const double none[] = {0};
  ASSERT_TRUE(WriteNpy<double>(path, {0, 4}, std::span(none).first(0)).ok());
  EXPECT_EQ(ReadNpy(path)->size(), 0);
}

TEST(NpyWriterTest, AFolderThatIsNotThereIsSaid) {
  const double one[] = {1};
  EXPECT_THAT(WriteNpy<double>("/not/there.npy", {1}, one).message(),
              ::testing::HasSubstr("/not/there.npy"));
}

}  // namespace
}  // namespace perennial::data

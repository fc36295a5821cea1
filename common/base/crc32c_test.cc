#include "common/base/crc32c.h"

#include <string>

#include "gtest/gtest.h"

namespace perennial::base {
namespace {

// The examples of RFC 3720, appendix B.4 (whose bytes stand there with the lowest first), and the
// check value of Castagnoli's CRC in catalogues of CRCs.
TEST(Crc32c, AgreesWithTheVectorsOfRfc3720) {
  std::string rising;
  for (int i = 0; i < 32; ++i) rising.push_back(static_cast<char>(i));
  const std::string falling(rising.rbegin(), rising.rend());
  const std::string iscsi_read(
      "\x01\xc0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x14\0\0\0\0\0\x04\0\0\0\0\x14\0\0\0\x18"
      "\x28\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0",
      48);
  for (const auto& extend : {&ExtendCrc32c, &internal::ExtendCrc32cByTable}) {
    EXPECT_EQ(extend(0, std::string(32, '\0')), 0x8a9136aau);
    EXPECT_EQ(extend(0, std::string(32, '\xff')), 0x62a8ab43u);
    EXPECT_EQ(extend(0, rising), 0x46dd794eu);
    EXPECT_EQ(extend(0, falling), 0x113fdb5cu);
    EXPECT_EQ(extend(0, iscsi_read), 0xd9963a56u);
    EXPECT_EQ(extend(0, "123456789"), 0xe3069283u);
    EXPECT_EQ(extend(0, ""), 0u);
  }
}

TEST(Crc32c, InstructionAndTableAgreeForEveryLengthAndCut) {
  std::string text;
  for (int i = 0; i < 70; ++i) text.push_back(static_cast<char>(i * 37 + 11));
  for (size_t size = 0; size <= text.size(); ++size) {
    const absl::string_view bytes = absl::string_view(text).substr(0, size);
    const uint32_t whole = internal::ExtendCrc32cByTable(0, bytes);
    for (size_t cut = 0; cut <= size; ++cut) {
      EXPECT_EQ(ExtendCrc32c(Crc32c(bytes.substr(0, cut)), bytes.substr(cut)), whole)
          << size << " bytes, cut at " << cut;
    }
  }
}

// A record of 24 bytes begins with 18 00 00 00 00 00 00 00 a3 7f 4b 22 in the file that TensorBoard
// wrote (common/record/testdata/tensorboard.tfevents).
TEST(Crc32c, MaskedIsWhatTensorBoardWrites) {
  EXPECT_EQ(MaskCrc32c(Crc32c(absl::string_view("\x18\0\0\0\0\0\0\0", 8))), 0x224b7fa3u);
}

}  // namespace
}  // namespace perennial::base

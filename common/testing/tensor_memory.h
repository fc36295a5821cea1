// Memory that LibTorch's tensors take on this thread while an object lives: what its CPU allocator
// hands out and gets back. Scratch memory that oneDNN and MKL allocate themselves is not seen, nor
// are views of memory that is not LibTorch's (rows).
//
//   testing::TensorMemory memory;
//   Step();
//   EXPECT_LT(memory.peak(), 20 << 20);
#ifndef PERENNIAL_COMMON_TESTING_TENSOR_MEMORY_H_
#define PERENNIAL_COMMON_TESTING_TENSOR_MEMORY_H_

#include <cstdint>
#include <memory>

namespace perennial::testing {

class TensorMemory {
 public:
  TensorMemory();
  ~TensorMemory();

  // Bytes allocated and not freed since construction, now and at most.
  int64_t live() const;
  int64_t peak() const;

 private:
  struct Counter;
  std::shared_ptr<Counter> counter_;
  // Keeps the counter installed.
  struct Guard;
  std::unique_ptr<Guard> guard_;
};

}  // namespace perennial::testing

#endif  // PERENNIAL_COMMON_TESTING_TENSOR_MEMORY_H_

// A product of `rows` rows with a matrix [256, 784], with bias and rectifier: by PackedMatrix, by
// MKL's GEMM with a packed factor, and by Gemm.
#include "common/kernels/packed_matrix.h"

#include <cstddef>
#include <vector>

#include "benchmark/benchmark.h"
#include "common/kernels/activation.h"
#include "common/kernels/gemm.h"
#include "common/random/stream.h"

// Exported by libtorch_cpu.
extern "C" {
size_t sgemm_pack_get_size_(const char* identifier, const int* m, const int* n, const int* k);
void sgemm_pack_(const char* identifier, const char* trans, const int* m, const int* n,
                 const int* k, const float* alpha, const float* source, const int* ld,
                 float* packed);
void sgemm_compute_(const char* transa, const char* transb, const int* m, const int* n,
                    const int* k, const float* a, const int* lda, const float* b, const int* ldb,
                    const float* beta, float* c, const int* ldc);
int MKL_Set_Num_Threads_Local(int threads);
}

namespace perennial::kernels {
namespace {

constexpr int kOutputs = 256;
constexpr int kInputs = 784;

struct Problem {
  explicit Problem(int64_t row_count)
      : rows(row_count), a(rows * kInputs), b(kOutputs * kInputs), c(rows * kOutputs) {
    random::Stream stream(1);
    for (float& value : a) value = static_cast<float>(stream.Uniform());
    for (float& value : b) value = static_cast<float>(stream.Normal());
  }

  void Report(benchmark::State& state) const {
    state.counters["flops"] = benchmark::Counter(
        2.0 * static_cast<double>(rows) * kOutputs * kInputs,
        benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1000);
  }
  MatrixView<const float> inputs() const { return {a.data(), rows, kInputs, kInputs}; }
  MatrixView<const float> weights() const { return {b.data(), kOutputs, kInputs, kInputs}; }
  MatrixView<float> outputs() { return {c.data(), rows, kOutputs, kOutputs}; }

  int64_t rows;
  AlignedVector<float> a, b, c;
  AlignedVector<float> bias = AlignedVector<float>(kOutputs, 0.1f);
};

void Packed(benchmark::State& state) {
  Problem p(state.range(0));
  PackedMatrix<float> packed(kOutputs, kInputs);
  packed.Pack(p.weights());
  for (auto _ : state) {
    packed.Multiply(p.inputs(), p.outputs(), p.bias.data(), Epilogue::kRectify);
    benchmark::ClobberMemory();
  }
  p.Report(state);
}
BENCHMARK(Packed)->Arg(14)->Arg(56)->Arg(128);

void MklPacked(benchmark::State& state) {
  Problem p(state.range(0));
  const int m = kOutputs, n = static_cast<int>(p.rows), k = kInputs;
  const float one = 1, zero = 0;
  const int before = MKL_Set_Num_Threads_Local(1);
  AlignedVector<float> packed(sgemm_pack_get_size_("A", &m, &n, &k) / sizeof(float) + 1);
  sgemm_pack_("A", "T", &m, &n, &k, &one, p.b.data(), &k, packed.data());
  for (auto _ : state) {
    sgemm_compute_("P", "N", &m, &n, &k, packed.data(), &k, p.a.data(), &k, &zero, p.c.data(), &m);
    BiasActivation<float>(Activation::kRelu, p.bias.data(), p.outputs(), {});
    benchmark::ClobberMemory();
  }
  MKL_Set_Num_Threads_Local(before);
  p.Report(state);
}
BENCHMARK(MklPacked)->Arg(14)->Arg(56)->Arg(128);

void Unpacked(benchmark::State& state) {
  Problem p(state.range(0));
  for (auto _ : state) {
    Gemm<float>(Transpose::kNo, Transpose::kYes, 1, p.inputs(), p.weights(), 0, p.outputs());
    BiasActivation<float>(Activation::kRelu, p.bias.data(), p.outputs(), {});
    benchmark::ClobberMemory();
  }
  p.Report(state);
}
BENCHMARK(Unpacked)->Arg(14)->Arg(56)->Arg(128);

void Pack(benchmark::State& state) {
  Problem p(1);
  PackedMatrix<float> packed(kOutputs, kInputs);
  for (auto _ : state) {
    packed.Pack(p.weights());
    benchmark::ClobberMemory();
  }
}
BENCHMARK(Pack);

// The last layer of a classifier: [56, 256] by [classes, 256], by PackedMatrix or Gemm.
template <bool kPacked>
void Narrow(benchmark::State& state) {
  constexpr int64_t kRows = 56, kWidth = 256;
  Problem p(kRows);
  const int64_t classes = state.range(0);
  const MatrixView<const float> x = {p.a.data(), kRows, kWidth, kWidth};
  const MatrixView<const float> w = {p.b.data(), classes, kWidth, kWidth};
  const MatrixView<float> y = {p.c.data(), kRows, classes, 16};
  PackedMatrix<float> packed(classes, kWidth);
  packed.Pack(w);
  for (auto _ : state) {
    if (kPacked) {
      packed.Multiply(x, y, p.bias.data());
    } else {
      Gemm<float>(Transpose::kNo, Transpose::kYes, 1, x, w, 0, y);
      BiasActivation<float>(Activation::kIdentity, p.bias.data(), y, {});
    }
    benchmark::ClobberMemory();
  }
}
BENCHMARK_TEMPLATE(Narrow, true)->Arg(1)->Arg(2)->Arg(10);
BENCHMARK_TEMPLATE(Narrow, false)->Arg(1)->Arg(2)->Arg(10);

}  // namespace
}  // namespace perennial::kernels

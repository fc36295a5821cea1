#include "common/kernels/gemm.h"

#include "common/base/logging.h"

// Exported by libtorch_cpu. MKL's 32-bit integer interface.
extern "C" {
void sgemm_(const char* transa, const char* transb, const int* m, const int* n, const int* k,
            const float* alpha, const float* a, const int* lda, const float* b, const int* ldb,
            const float* beta, float* c, const int* ldc);
void dgemm_(const char* transa, const char* transb, const int* m, const int* n, const int* k,
            const double* alpha, const double* a, const int* lda, const double* b, const int* ldb,
            const double* beta, double* c, const int* ldc);
int MKL_Set_Num_Threads_Local(int threads);
}

namespace perennial::kernels {
namespace {

class OneThread {
 public:
  OneThread() : previous_(MKL_Set_Num_Threads_Local(1)) {}
  ~OneThread() { MKL_Set_Num_Threads_Local(previous_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int previous_;
};

void CallGemm(char ta, char tb, int m, int n, int k, float alpha, const float* a, int lda,
              const float* b, int ldb, float beta, float* c, int ldc) {
  sgemm_(&ta, &tb, &m, &n, &k, &alpha, a, &lda, b, &ldb, &beta, c, &ldc);
}

void CallGemm(char ta, char tb, int m, int n, int k, double alpha, const double* a, int lda,
              const double* b, int ldb, double beta, double* c, int ldc) {
  dgemm_(&ta, &tb, &m, &n, &k, &alpha, a, &lda, b, &ldb, &beta, c, &ldc);
}

}  // namespace

template <typename T>
void Gemm(Transpose transpose_a, Transpose transpose_b, T alpha, MatrixView<const T> a,
          MatrixView<const T> b, T beta, MatrixView<T> c) {
  const bool ta = transpose_a == Transpose::kYes;
  const bool tb = transpose_b == Transpose::kYes;
  const int64_t inner = ta ? a.rows : a.columns;
  CHECK_EQ(c.rows, ta ? a.columns : a.rows);
  CHECK_EQ(c.columns, tb ? b.rows : b.columns);
  CHECK_EQ(inner, tb ? b.columns : b.rows);
  if (c.rows == 0 || c.columns == 0) return;
  const OneThread one_thread;
  // BLAS is column-major: the row-major c is its transpose, c^T = op(b)^T op(a)^T.
  CallGemm(tb ? 'T' : 'N', ta ? 'T' : 'N', static_cast<int>(c.columns), static_cast<int>(c.rows),
           static_cast<int>(inner), alpha, b.data, static_cast<int>(b.stride), a.data,
           static_cast<int>(a.stride), beta, c.data, static_cast<int>(c.stride));
}

template void Gemm<float>(Transpose, Transpose, float, MatrixView<const float>,
                          MatrixView<const float>, float, MatrixView<float>);
template void Gemm<double>(Transpose, Transpose, double, MatrixView<const double>,
                           MatrixView<const double>, double, MatrixView<double>);

}  // namespace perennial::kernels

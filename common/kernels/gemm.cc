#include "common/kernels/gemm.h"

#include <cstddef>
#include <new>
#include <type_traits>

#include "common/base/logging.h"

// Exported by libtorch_cpu. MKL's 32-bit integer interface.
extern "C" {
void sgemm_(const char* transa, const char* transb, const int* m, const int* n, const int* k,
            const float* alpha, const float* a, const int* lda, const float* b, const int* ldb,
            const float* beta, float* c, const int* ldc);
void dgemm_(const char* transa, const char* transb, const int* m, const int* n, const int* k,
            const double* alpha, const double* a, const int* lda, const double* b, const int* ldb,
            const double* beta, double* c, const int* ldc);
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

// The packed factor is b: of the column-major c^T = b a^T [n, rows] the first one, transposed.
int64_t PackedBytes(int n, int rows, int k) {
  const OneThread one_thread;
  return static_cast<int64_t>(sgemm_pack_get_size_("A", &n, &rows, &k));
}

void CallPack(int n, int rows, int k, const float* b, int ldb, float* packed) {
  const float one = 1;
  sgemm_pack_("A", "T", &n, &rows, &k, &one, b, &ldb, packed);
}

void CallCompute(int n, int rows, int k, const float* packed, const float* a, int lda, float* c,
                 int ldc) {
  const float zero = 0;
  // A packed factor has no stride: k stands in its place.
  sgemm_compute_("P", "N", &n, &rows, &k, packed, &k, a, &lda, &zero, c, &ldc);
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

template <typename T>
void PackedMatrix<T>::Free::operator()(T* memory) const {
  ::operator delete (memory, std::align_val_t{kAlignmentBytes});
}

template <typename T>
PackedMatrix<T>::PackedMatrix(int64_t n, int64_t k, int64_t rows) : n_(n), k_(k), rows_(rows) {
  CHECK(n > 0 && k > 0 && rows > 0);
  const int64_t bytes = Bytes(n, k, rows);
  if (bytes == 0) return;
  // Not cleared: most of it is never touched.
  packed_.reset(static_cast<T*>(
      ::operator new (static_cast<size_t>(bytes), std::align_val_t{kAlignmentBytes})));
}

template <typename T>
int64_t PackedMatrix<T>::Bytes(int64_t n, int64_t k, int64_t rows) {
  if (!std::is_same_v<T, float>) return 0;
  return PackedBytes(static_cast<int>(n), static_cast<int>(rows), static_cast<int>(k));
}

template <typename T>
void PackedMatrix<T>::Pack(MatrixView<const T> b) {
  CHECK(b.rows == n_ && b.columns == k_);
  b_ = b;
  if constexpr (std::is_same_v<T, float>) {
    const OneThread one_thread;
    CallPack(static_cast<int>(n_), static_cast<int>(rows_), static_cast<int>(k_), b.data,
             static_cast<int>(b.stride), packed_.get());
  }
}

template <typename T>
void PackedMatrix<T>::Multiply(MatrixView<const T> a, MatrixView<T> c) const {
  CHECK(b_.data != nullptr) << "nothing is packed";
  if constexpr (std::is_same_v<T, float>) {
    if (a.rows == rows_) {
      CHECK(a.columns == k_ && c.rows == rows_ && c.columns == n_);
      const OneThread one_thread;
      CallCompute(static_cast<int>(n_), static_cast<int>(rows_), static_cast<int>(k_),
                  packed_.get(), a.data, static_cast<int>(a.stride), c.data,
                  static_cast<int>(c.stride));
      return;
    }
  }
  Gemm<T>(Transpose::kNo, Transpose::kYes, 1, a, b_, 0, c);
}

template class PackedMatrix<float>;
template class PackedMatrix<double>;

template void Gemm<float>(Transpose, Transpose, float, MatrixView<const float>,
                          MatrixView<const float>, float, MatrixView<float>);
template void Gemm<double>(Transpose, Transpose, double, MatrixView<const double>,
                           MatrixView<const double>, double, MatrixView<double>);

}  // namespace perennial::kernels

#include "tools/claims/claims.h"
#include "tools/claims/lines.h"

int main(int argc, char** argv) {
  return perennial::claims::Main(perennial::claims::KnownLines(), argc, argv);
}

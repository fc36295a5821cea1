// tools/bazel run //causal:experiment -- --help
#include "causal/line.h"
#include "common/experiment/harness.h"

int main(int argc, char** argv) {
  return perennial::experiment::Main(perennial::causal::CausalLine(), argc, argv);
}

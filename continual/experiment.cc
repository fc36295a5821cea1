// tools/bazel run //continual:experiment -- --help
#include "common/experiment/harness.h"
#include "continual/line.h"

int main(int argc, char** argv) {
  return perennial::experiment::Main(perennial::continual::ContinualLine(), argc, argv);
}

// The walks as a program: what is killed, starved and misled in faults_test.
#include "common/experiment/harness.h"
#include "common/experiment/walk/walk.h"

int main(int argc, char** argv) {
  return perennial::experiment::Main(perennial::experiment::WalkLine(), argc, argv);
}

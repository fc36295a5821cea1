#include "causal/estimation/programs.h"

int main(int argc, char** argv) {
  return perennial::causal::ProgramMain(argc, argv, perennial::causal::RunPredict, /*keeps=*/false);
}

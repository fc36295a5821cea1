// Draws from two random streams that are split by name: the same numbers on every machine.

#include <cstdio>

#include "common/random/stream.h"

int main() {
  const perennial::random::Stream root(/*seed=*/7);
  perennial::random::Stream dice = root.Split("dice");
  perennial::random::Stream noise = root.Split("noise");
  std::printf("dice: ");
  for (int i = 0; i < 10; ++i) std::printf(" %d", static_cast<int>(dice.Below(6)) + 1);
  std::printf("\nnoise:");
  for (int i = 0; i < 5; ++i) std::printf(" %+.4f", noise.Normal());
  std::printf("\n");
  return 0;
}

#include "tools/compare/compare.h"

int main(int argc, char** argv) { return perennial::compare::Main(argc, argv); }

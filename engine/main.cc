// `khipu`: the writer and the admin command line.
#include "engine/cli/command.h"

int main(int argc, char** argv) { return khipu::cli::run(argc, argv); }

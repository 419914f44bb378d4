// main() of a fuzz target where there is no libFuzzer: replays seeds, so that what fuzzing once found stays found.
// Each seed is given whole, then cut short at every length, then with each byte changed in three ways; long seeds are
// sampled at an even stride. All of it is deterministic: the same folder is the same test.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "tests/fuzz/fuzz.h"

namespace {

constexpr size_t kPositionsPerSeedMax = 2048;
constexpr size_t kBytesPerSeedMax = size_t{4} << 20;  // given away, over all positions

// A copy with no slack behind it: one byte read too many is a heap overflow that ASan sees.
void give(const std::vector<uint8_t>& bytes, size_t size) {
  const std::vector<uint8_t> exact(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

void replay(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::vector<uint8_t> seed{std::istreambuf_iterator<char>(in), {}};
  give(seed, seed.size());
  const size_t positions =
      std::min(kPositionsPerSeedMax, kBytesPerSeedMax / (4 * std::max<size_t>(1, seed.size())) + 1);
  const size_t stride = std::max<size_t>(1, seed.size() / positions);
  for (size_t i = 0; i < seed.size(); i += stride) {
    give(seed, i);
    for (const uint8_t flip : {uint8_t{0x01}, uint8_t{0x80}, uint8_t{0xff}}) {
      seed[i] ^= flip;
      give(seed, seed.size());
      seed[i] ^= flip;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::filesystem::path> seeds;
  for (int i = 1; i < argc; ++i) {
    std::error_code error;
    if (std::filesystem::is_regular_file(argv[i], error)) seeds.emplace_back(argv[i]);
    for (const auto& entry : std::filesystem::directory_iterator(argv[i], error)) {
      if (entry.is_regular_file()) seeds.push_back(entry.path());
    }
  }
  if (seeds.empty()) {
    std::fprintf(stderr, "no seeds: a fuzz target has at least one, in tests/fuzz/seeds/<name>/\n");
    return 1;
  }
  std::sort(seeds.begin(), seeds.end());
  for (const auto& seed : seeds) {
    std::printf("%s\n", seed.filename().c_str());
    std::fflush(stdout);
    replay(seed);
  }
  std::printf("%zu seeds replayed\n", seeds.size());
  return 0;
}

// What a look-up costs as segments grow in number: a term asked of the index of every segment, and of merged files and
// the indexes they leave over. No events, no log: indexes in memory whose terms are those of the generator's events,
// for as many segments as logs of 10^6 to 10^8 events of 80,000 a segment have. Usage: bench_merged [--rows N] [--most
// N]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "engine/index/builder.h"
#include "engine/index/merged.h"
#include "tests/bench/generator.h"
#include "tests/bench/must.h"

namespace {

using namespace khipu;
using bench::must;
using Steady = std::chrono::steady_clock;

double us_since(Steady::time_point start) {
  return std::chrono::duration<double, std::micro>(Steady::now() - start).count();
}

struct Sizes {
  uint64_t indexes = 0, merged = 0;
};

// Every actor and target skewed as the generator's, so a segment of fewer rows holds fewer of them.
std::unique_ptr<index::Reader> segment_index(uint64_t number, uint64_t rows, std::mt19937_64& random, Sizes& sizes) {
  static constexpr const char* kActions[] = {"GET", "POST", "PUT", "DELETE", "LOGIN", "GRANT"};
  const auto skewed = [&](uint64_t count) {
    const double unit = static_cast<double>(random() >> 11) * 0x1.0p-53;
    return static_cast<uint64_t>(unit * unit * static_cast<double>(count));
  };
  index::Builder builder({number}, {number * rows}, {});
  codec::EventRecord event;
  for (uint64_t i = 0; i < rows; ++i) {
    event.occurred_at = event.recorded_at = static_cast<TimeUs>((number * rows + i) * 137);
    event.actor.entity = {skewed(bench::Generator::kActors)};
    event.targets = {{{bench::Generator::kActors + skewed(bench::Generator::kTargets)}, {1 << 30}}};
    event.action = kActions[random() % 6];
    event.source = "billing";
    must(builder.add(64 + 300 * i, event));
  }
  Buffer body = must(builder.body());
  sizes.indexes += body.size();
  return must(index::Reader::open(index::BlockFile::of(std::move(body))));
}

std::unique_ptr<index::MergedReader> opened(index::Merger& merger, Sizes& sizes) {
  Buffer bytes = must(merger.finish()).bytes;
  sizes.merged += bytes.size();
  bytes.resize(index::body_size(bytes.size()).value());
  return must(index::MergedReader::open(index::BlockFile::of(std::move(bytes))));
}

}  // namespace

int main(int count, char** words) {
  uint64_t rows = 4000, most = 1250;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string word = words[i];
    uint64_t* const to = word == "--rows" ? &rows : word == "--most" ? &most : nullptr;
    if (to == nullptr) bench::die("usage: bench_merged [--rows N] [--most N]");
    *to = std::strtoull(words[i + 1], nullptr, 10);
  }
  std::mt19937_64 random(1);
  std::vector<std::unique_ptr<index::Reader>> indexes;
  std::array<std::vector<std::unique_ptr<index::MergedReader>>, 2> levels;
  std::vector<uint64_t> points;
  for (const uint64_t at : {13, 125, 400, 1250, 4000, 12500}) {
    if (at <= most) points.push_back(at);
  }
  std::printf("segments of %llu rows\n", static_cast<unsigned long long>(rows));
  double merging = 0;
  Sizes sizes;
  for (const uint64_t point : points) {
    while (indexes.size() < point) {
      indexes.push_back(segment_index(indexes.size(), rows, random, sizes));
      const auto start = Steady::now();
      if (indexes.size() % 16 == 0) {
        index::Merger merger(index::merged_around(SegmentNumber{indexes.size() - 1}, 16));
        for (size_t i = indexes.size() - 16; i < indexes.size(); ++i) must(merger.add(*indexes[i]));
        levels[0].push_back(opened(merger, sizes));
      }
      if (indexes.size() % 256 == 0) {
        index::Merger merger(index::merged_around(SegmentNumber{indexes.size() - 1}, 256));
        for (size_t i = levels[0].size() - 16; i < levels[0].size(); ++i) must(merger.add(*levels[0][i]));
        levels[1].push_back(opened(merger, sizes));
      }
      merging += us_since(start);
    }
    std::vector<double> each, through;
    uint64_t found = 0, again = 0;
    for (int round = 0; round < 300; ++round) {
      const index::Term term = index::entity_term(index::Field::kActor, {random() % bench::Generator::kActors});
      auto start = Steady::now();
      for (const auto& one : indexes) {
        if (const auto list = must(one->find(term))) found += list->count;
      }
      each.push_back(us_since(start));
      start = Steady::now();
      const auto ask = [&](const index::MergedReader& merged) {
        for (const index::Held& held : must(merged.find(term))) again += held.rows;
      };
      for (const auto& one : levels[1]) ask(*one);
      for (size_t i = 16 * levels[1].size(); i < levels[0].size(); ++i) ask(*levels[0][i]);
      for (size_t i = 16 * levels[0].size(); i < indexes.size(); ++i) {
        if (const auto list = must(indexes[i]->find(term))) again += list->count;
      }
      through.push_back(us_since(start));
    }
    if (found != again) bench::die("merged files count otherwise");
    std::sort(each.begin(), each.end());
    std::sort(through.begin(), through.end());
    const size_t files =
        levels[1].size() + (levels[0].size() - 16 * levels[1].size()) + (indexes.size() - 16 * levels[0].size());
    std::printf(
        "  %6llu segments: every index p50 %8.1f us; merged p50 %6.1f us in %zu files; merging %.2f ms a segment, "
        "%.1f %% of the indexes' bytes\n",
        static_cast<unsigned long long>(point), each[150], through[150], files,
        merging / 1e3 / static_cast<double>(point),
        100.0 * static_cast<double>(sizes.merged) / static_cast<double>(sizes.indexes));
    std::fflush(stdout);
  }
  return 0;
}

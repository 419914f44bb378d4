// What a look-up costs as segments grow in number: a term asked of the index of every segment, and of merged files and
// the indexes they leave over. No events, no log. Of logs/: indexes in memory whose terms are those of the generator's
// events, for as many segments as logs of 10^6 to 10^8 events of 80,000 a segment have. With --versions N of registry/
// in its place: files of 16 segments of N versions each (a real one has some 250,000) and merged ones, which stand for
// all others of up to 400 segments, those of 10^8 versions; a name that nobody has, so all are asked: warm, and cold,
// each file opened anew and its blocks hashed. Usage: bench_merged [--rows N] [--most N] [--versions N] [--dir DIR]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "engine/index/builder.h"
#include "engine/index/merged.h"
#include "engine/os/file.h"
#include "tests/bench/figures.h"
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

// A file of an index, opened as often as a look-up comes to it.
struct OnDisk {
  std::string name;
  uint64_t size = 0;
  Hash root{};
};

class Registry {
 public:
  // `people`: of whom each version is one; 0: each is of somebody new.
  Registry(os::Directory& folder, uint64_t versions, uint64_t people) : folder_(folder), versions_(versions) {
    std::mt19937_64 random(2);
    std::vector<std::unique_ptr<index::Reader>> indexes;
    index::Merger merger(TableId::kRegistry, {{0}, {index::kMergeFan - 1}});
    for (uint64_t number = 0; number < index::kMergeFan; ++number) {
      index::Builder builder = index::Builder::of_registry({number}, {number * versions});
      for (uint64_t i = 0; i < versions; ++i) {
        const uint64_t row = number * versions + i, who = people == 0 ? row : random() % people;
        const std::string id = "u-" + std::to_string(10000000 + who);
        const std::string name = "Person " + std::to_string(random() % 100000000), mail = id + "@example.org";
        codec::VersionRecord version;
        version.type = "user";
        version.id = id;
        version.entity = Row{who};
        version.time = version.recorded_at = static_cast<TimeUs>(row * 997);
        version.fields = {{"mail", codec::Value::of_text(mail)}, {"name", codec::Value::of_text(name)}};
        must(builder.add(64 + 268 * i, version));
      }
      const index::Builder::File file = must(builder.finish());
      indexes_.push_back(put(index::index_name({number}), file.bytes, file.root));
      indexes.push_back(must(index::Reader::open(blocks(indexes_.back()))));
      must(merger.add(*indexes.back()));
    }
    const uint64_t terms = merger.terms_size();
    const auto start = Steady::now();
    const index::Merger::File file = must(merger.finish());
    std::printf("  16 indexes of %.1f MB: merged %.1f MB of %.1f MB of terms in %.2f s; peak so far %ld MiB\n",
                static_cast<double>(indexes_.back().size) / 1e6, static_cast<double>(file.bytes.size()) / 1e6,
                static_cast<double>(terms) / 1e6, us_since(start) / 1e6, bench::peak_rss_kib() / 1024);
    sixteen_ = put(index::merged_name({{0}, {15}}), file.bytes, file.root);
    merge_256(file.bytes, people > 0);
    std::fflush(stdout);
  }
  void measure(uint64_t segments) const {
    const index::Term nobody = index::name_term("user", "u-1zzz");
    std::vector<const OnDisk*> merged;
    uint64_t at = 0;
    for (; has_256_ && at + 256 <= segments; at += 256) merged.push_back(&all_256_);
    for (; at + 16 <= segments; at += 16) merged.push_back(&sixteen_);
    std::vector<double> each_cold, through_cold, each_warm, through_warm;
    for (int round = 0; round < 5; ++round) {
      std::vector<std::unique_ptr<index::Reader>> indexes;
      std::vector<std::unique_ptr<index::MergedReader>> files;
      const auto ask_index = [&](uint64_t i) {
        if (indexes.size() <= i) indexes.push_back(must(index::Reader::open(blocks(indexes_[i % 16]))));
        if (must(indexes[i]->find(nobody))) bench::die("nobody is somebody");
      };
      const auto ask_merged = [&](size_t i) {
        if (files.size() <= i) files.push_back(must(index::MergedReader::open(blocks(*merged[i]))));
        if (!must(files[i]->find(nobody)).empty()) bench::die("nobody is somebody");
      };
      const auto timed = [&](std::vector<double>& into, const auto& work) {
        const auto start = Steady::now();
        work();
        into.push_back(us_since(start));
      };
      const auto each = [&] {
        for (uint64_t i = 0; i < segments; ++i) ask_index(i);
      };
      const auto through = [&] {
        for (size_t i = 0; i < merged.size(); ++i) ask_merged(i);
        for (uint64_t i = at; i < segments; ++i) ask_index(i - at);
      };
      timed(through_cold, through);
      for (int again = 0; again < 40; ++again) timed(through_warm, through);
      indexes.clear();
      timed(each_cold, each);
      for (int again = 0; again < 40; ++again) timed(each_warm, each);
    }
    for (auto* const times : {&each_cold, &through_cold, &each_warm, &through_warm})
      std::sort(times->begin(), times->end());
    std::printf(
        "  %6llu segments: every index warm %8.1f us, cold %8.1f ms; merged warm %7.1f us, cold %7.1f ms in %zu "
        "files\n",
        static_cast<unsigned long long>(segments), each_warm[100], each_cold[2] / 1e3, through_warm[100],
        through_cold[2] / 1e3, merged.size() + (segments - at));
    std::fflush(stdout);
  }

 private:
  OnDisk put(const std::string& name, Bytes bytes, const Hash& root) {
    must(folder_.replace_file(name, bytes));
    return {name, bytes.size(), root};
  }
  std::unique_ptr<index::BlockFile> blocks(const OnDisk& file) const {
    return must(index::BlockFile::open(must(folder_.open_file(file.name, os::Mode::kRead)), file.size, file.root));
  }
  // One of 256 segments, the sixteen made again for others in turn, if the writer would make it. Names that
  // come but once would be others in each.
  void merge_256(const Buffer& sixteen, bool same_names) {
    std::vector<std::unique_ptr<index::MergedReader>> parts;
    index::Merger merger(TableId::kRegistry, {{0}, {255}});
    for (uint64_t k = 0; k < 16; ++k) {
      Buffer bytes = sixteen;
      bytes.resize(index::body_size(bytes.size()).value());
      store_le(&bytes[16], 16 * k);
      store_le(&bytes[24], 16 * k * versions_);
      for (uint64_t i = 0; i < 16; ++i) store_le(&bytes[index::kHeaderSize + 48 * i], (16 * k + i) * versions_);
      parts.push_back(must(index::MergedReader::open(index::BlockFile::of(std::move(bytes)))));
      must(merger.add(*parts.back()));
    }
    has_256_ = same_names && merger.terms_size() <= index::kMergeBytesMax;
    if (!has_256_) {
      std::printf("  of 256 segments, of %.1f MB of terms: none is made here\n",
                  static_cast<double>(merger.terms_size()) / 1e6);
      return;
    }
    const auto start = Steady::now();
    const index::Merger::File file = must(merger.finish());
    std::printf("  of 256 segments: %.1f MB of %.1f MB of terms in %.2f s\n",
                static_cast<double>(file.bytes.size()) / 1e6, static_cast<double>(merger.terms_size()) / 1e6,
                us_since(start) / 1e6);
    all_256_ = put(index::merged_name({{0}, {255}}), file.bytes, file.root);
  }

  os::Directory& folder_;
  const uint64_t versions_;
  std::vector<OnDisk> indexes_;
  OnDisk sixteen_, all_256_;
  bool has_256_ = false;
};

int measure_registry(uint64_t versions, const std::string& dir) {
  const auto folder = must(os::create_directory(dir, 0700));
  for (const uint64_t people : {uint64_t{0}, uint64_t{100000}}) {
    std::printf("registry segments of %llu versions, %s\n", static_cast<unsigned long long>(versions),
                people == 0 ? "each of somebody new" : "of 100,000 people");
    const Registry registry(*folder, versions, people);
    for (const uint64_t segments : {4, 16, 40, 100, 256, 400}) registry.measure(segments);
  }
  const std::vector<os::Entry> entries = must(folder->list());
  for (const os::Entry& entry : entries) must(folder->unlink(entry.name));
  return 0;
}

}  // namespace

int main(int count, char** words) {
  uint64_t rows = 4000, most = 1250, versions = 0;
  std::string dir = "bench_merged.files";
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string word = words[i];
    if (word == "--dir") {
      dir = words[i + 1];
      continue;
    }
    uint64_t* const to = word == "--rows"       ? &rows
                         : word == "--most"     ? &most
                         : word == "--versions" ? &versions
                                                : nullptr;
    if (to == nullptr) bench::die("usage: bench_merged [--rows N] [--most N] [--versions N] [--dir DIR]");
    *to = std::strtoull(words[i + 1], nullptr, 10);
  }
  if (versions > 0) return measure_registry(versions, dir);
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
        index::Merger merger(TableId::kLogs, index::merged_around(SegmentNumber{indexes.size() - 1}, 16));
        for (size_t i = indexes.size() - 16; i < indexes.size(); ++i) must(merger.add(*indexes[i]));
        levels[0].push_back(opened(merger, sizes));
      }
      if (indexes.size() % 256 == 0) {
        index::Merger merger(TableId::kLogs, index::merged_around(SegmentNumber{indexes.size() - 1}, 256));
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

// A proof of one event from a cold process: open the root, find the checkpoint, make the paths, check them, write the
// document. Each proof in a process of its own, of an event drawn at random. Files are in the page cache.
// Usage: bench_prove [EVENTS] [ROUNDS]   (1000000, 200)
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <vector>

#include "engine/query/prove.h"
#include "engine/writer/writer.h"
#include "tests/bench/figures.h"
#include "tests/bench/generator.h"
#include "tests/bench/must.h"

namespace {

using namespace khipu;
using Steady = std::chrono::steady_clock;

using bench::die;
using bench::must;
double ms_since(Steady::time_point start) {
  return std::chrono::duration<double, std::milli>(Steady::now() - start).count();
}

// Of the document without the event's record and without the pinned versions and their proofs.
size_t bare_size(proof::EventBundle bundle) {
  bundle.event.record.clear();
  for (proof::ProvenRecord& version : bundle.pinned) version = {};
  return proof::format_document(bundle).size();
}

// What `khipu prove` does, timed from the first line of main().
int prove_one(const char* root, const char* seq, Steady::time_point start) {
  const auto store = must(snapshot::Store::open(must(os::open_directory(root))));
  const proof::EventBundle bundle = must(query::prove_event(*store, Row{std::strtoull(seq, nullptr, 10)}, {}));
  const size_t size = proof::format_document(bundle).size();
  const double took = ms_since(start);
  std::printf("%.3f %zu %zu\n", took, size, bare_size(bundle));
  return 0;
}

void make_log(const std::string& folder, uint64_t events) {
  const auto root = must(os::create_directory(folder + "/log", 0750));
  const auto keys = must(os::create_directory(folder + "/log.keys", 0700));
  const writer::Environment environment{*root, *keys, os::system_clock(), os::system_random()};
  if (const Result<void> made = writer::initialize(environment, {"bench/prove"}); !made.ok()) die(made.error().message);
  const auto writer = must(writer::Writer::open(environment, {}));
  bench::Generator generator(1);
  for (uint64_t done = 0; done < events;) {
    ingest::Batch batch;
    for (int n = 0; n < 1000 && done < events; ++n, ++done) bench::append(batch, generator.next());
    must(writer->submit_and_wait(std::move(batch)));
  }
  writer->wait_until_indexed();
  if (const Result<void> closed = writer->close(); !closed.ok()) die(closed.error().message);
}

struct Round {
  double inside_ms = 0, whole_ms = 0;
  size_t size = 0, bare = 0;
};

Round in_its_own_process(const std::string& root, uint64_t seq) {
  const std::string command =
      std::filesystem::read_symlink("/proc/self/exe").string() + " --one " + root + " " + std::to_string(seq);
  const auto start = Steady::now();
  std::FILE* pipe = popen(command.c_str(), "r");
  Round round;
  if (pipe == nullptr || std::fscanf(pipe, "%lf %zu %zu", &round.inside_ms, &round.size, &round.bare) != 3) {
    die("the process of a proof said nothing");
  }
  if (pclose(pipe) != 0) die("the process of a proof failed");
  round.whole_ms = ms_since(start);
  return round;
}

void report(bench::Figures& figures, const char* what, std::vector<double> times) {
  std::sort(times.begin(), times.end());
  figures.row(what)
      .add("best_ms", times.front())
      .add("p50_ms", times[times.size() / 2])
      .add("p99_ms", times[times.size() * 99 / 100]);
}

}  // namespace

int main(int argc, char** argv) {
  const auto start = Steady::now();
  if (argc == 4 && std::string_view(argv[1]) == "--one") return prove_one(argv[2], argv[3], start);
  bench::Figures figures("prove", bench::take_flag(argc, argv, "--json"));
  const uint64_t events = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1000000;
  const uint64_t rounds = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 200;
  if (events == 0 || rounds == 0) die("usage: bench_prove [EVENTS] [ROUNDS] [--json]");
  const std::string folder = "/tmp/khipu-bench-prove";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directory(folder);
  make_log(folder, events);
  std::mt19937_64 random(7);
  std::vector<double> inside, whole;
  size_t size = 0, bare = 0;
  for (uint64_t i = 0; i < rounds; ++i) {
    const Round round = in_its_own_process(folder + "/log", random() % events);
    inside.push_back(round.inside_ms);
    whole.push_back(round.whole_ms);
    size = std::max(size, round.size);
    bare = std::max(bare, round.bare);
  }
  report(figures, "from main() to the document", inside);
  report(figures, "the whole process, shell and all", whole);
  figures.row("largest document").add("bytes", static_cast<double>(size)).add("bare_bytes", static_cast<double>(bare));
  figures.print();
  std::filesystem::remove_all(folder);
}

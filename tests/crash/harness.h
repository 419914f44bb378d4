// A log on a fake disk, a steady producer, and the judgement after whatever happened to the disk: verify passes, and
// every acknowledged event is there exactly once with its targets. Used by tests/crash and tests/engine/verify.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/verify/print.h"
#include "engine/verify/verify.h"
#include "engine/writer/writer.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_disk.h"
#include "tests/support/fake_random.h"

namespace khipu::tests {

// What the producer was told. Outlives crashes, like a client on another machine.
struct Acknowledged {
  std::map<std::string, uint64_t> seqs;  // event_id -> seq
};

class CrashRig {
 public:
  // An initialised root on a new disk, or one on a branch of another.
  CrashRig();
  explicit CrashRig(std::unique_ptr<FakeDisk> disk, uint64_t seed);

  FakeDisk& disk() { return *disk_; }
  FakeClock& clock() { return clock_; }
  // kAlways: whoever submits commits on its own thread. kGroup: each submission goes through the writer's threads.
  void commit_with(writer::SyncPolicy policy) { policy_ = policy; }
  // life() submits all of its events at once, under kAlways on a disk with slow syncs: commits line up.
  void line_up();
  // Sealed segments get an index. Off: a thread of its own makes the Nth operation another one each time.
  // What still grows gets a run every so many rows.
  void index_segments(uint32_t run_rows = 8192) {
    index_segments_ = true;
    run_rows_ = run_rows;
  }
  Result<std::unique_ptr<writer::Writer>> open(uint64_t segment_size_bytes = 32ULL << 20);
  // One event in one commit, with two targets and an actor whose name changes now and then: rows in logs/ and
  // registry/.
  // `padding` makes the actor's name, and so registry/, longer.
  ingest::Batch batch(const std::string& event_id, const std::string& padding = {});
  // Submits it and waits; remembers the answer if it was yes.
  Result<writer::Receipt> submit(writer::Writer& writer, const std::string& event_id, const std::string& padding = {});
  // Counts as sent, answered by somebody else.
  void submit_remembered(const std::string& event_id) { submitted_.insert(event_id); }
  // Submits so many (of a running number) without waiting in between; remembers the answers. The first Error of them.
  Result<void> submit_at_once(writer::Writer& writer, size_t events);
  // Opens, writes `events` events (of a running number), closes. Errors end it: the disk may be failing.
  Result<void> life(size_t events, uint64_t segment_size_bytes = 32ULL << 20);

  Acknowledged& acknowledged() { return acknowledged_; }
  // Events that were submitted, answered or not: nothing else may be in the log.
  const std::set<std::string>& submitted() const { return submitted_; }
  void remember(const CrashRig& other) {
    acknowledged_ = other.acknowledged_;
    submitted_ = other.submitted_;
    next_ = other.next_;
  }

  verify::Report verify(verify::Options options = {});
  // "" when all is well, else what is not. Reads the records through nothing but codec and segment.
  std::string judge();

 private:
  std::unique_ptr<FakeDisk> disk_;
  FakeClock clock_;
  FakeRandom random_;
  std::unique_ptr<os::Directory> root_, keys_;
  Acknowledged acknowledged_;
  std::set<std::string> submitted_;
  uint64_t next_ = 0;
  writer::SyncPolicy policy_ = writer::SyncPolicy::kAlways;
  bool lined_up_ = false;
  bool index_segments_ = false;
  uint32_t run_rows_ = 8192;
};

std::string describe(const verify::Report& report);
// Every acknowledged event exactly once, at its seq; every event whole, with the entity versions it pins; none that
// `submitted` does not know. "" or what is wrong.
std::string judge_events(os::Directory& root, const Acknowledged& acknowledged,
                         const std::function<bool(const std::string&)>& submitted);

}  // namespace khipu::tests

#include "engine/verify/verify.h"

#include <algorithm>

#include "engine/os/head_lock.h"
#include "engine/os/lock_file.h"
#include "engine/segment/reader.h"
#include "engine/verify/run.h"
#include "engine/verify/since.h"

namespace khipu::verify {
namespace {

// Retention waits for who holds the reader slot of an older epoch, so that no segment goes under a run beside a writer.
// Without one (READERS or HEAD is gone or damaged, which is found elsewhere) the run goes on all the same.
std::optional<os::ReaderSlot> reader_slot(os::Directory& root) {
  constexpr int kAttempts = 100;
  std::optional<os::ReaderSlot> slot;
  std::optional<Epoch> epoch;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto slots = segment::read_head(root);
    const std::optional<segment::Head> head = slots.ok() ? segment::newest(*slots) : std::nullopt;
    if (!head) return std::nullopt;
    if (slot && head->epoch == epoch) return slot;
    epoch = head->epoch;
    slot.reset();
    Result<os::ReaderSlot> taken = os::ReaderSlot::acquire(root, head->epoch);
    if (taken.ok()) slot = std::move(taken).value();
  }
  return slot;
}

// What a run began with, and whether it was stopped.
struct Began {
  HeadState head;
  bool stopped = false;
};

// A writer keeps HEAD that did not when the run began, or has come and gone. Whoever pretends that makes the run be
// repeated, no more.
bool moved_since(os::Directory& root, const HeadState& began) {
  const Result<bool> kept = os::head_kept(root);
  if (kept.ok() && *kept) return true;
  const auto slots = segment::read_head(root);
  return slots.ok() && *slots != began.slots;
}

Result<Report> run_once(os::Directory& root, const Options& options, bool beside_writer, Began& began) {
  Control control(options.clock != nullptr ? *options.clock : os::system_clock(), options.budget_us, options.cancelled,
                  options.progress);
  Run run{root, options, control, {}, {}, {}, {}, {}, {}, false, Crew(threads_of(options))};
  if (options.from_row || options.to_row) run.report.scope = "range";
  if (options.sample) run.report.scope = "sample";
  if (options.since) run.report.scope = "since";
  if (int(options.from_row || options.to_row) + int(options.sample.has_value()) + int(options.since.has_value()) > 1) {
    return Error{Code::kInvalid, "a row range, a sample and a state exclude one another"};
  }
  if (options.sample || options.since) {
    uint64_t seed = 0;
    os::system_random().fill({reinterpret_cast<uint8_t*>(&seed), sizeof seed});
    run.report.seed = options.seed.value_or(seed);
  }
  KHIPU_TRY_ASSIGN(const std::vector<os::Entry> entries, root.list());
  if (entries.empty()) {
    return Error{Code::kNotFound, root.path() + ": not a khipu root (the folder is empty); make one with `khipu init`"};
  }
  const std::optional<os::ReaderSlot> slot = reader_slot(root);
  KHIPU_TRY_ASSIGN(run.head, read_head_state(root, run.findings));
  run.head.writer_running = run.head.writer_running || beside_writer;
  began.head = run.head;
  Result<std::optional<codec::Genesis>> genesis = read_genesis(root, run.findings);
  if (!genesis.ok()) {
    run.unreadable(genesis.error());
  } else if (genesis->has_value()) {
    run.genesis = **genesis;
    run.key = commit_key(*run.genesis);
    run.report.root_id = run.genesis->root_id;
    run.report.origin = clean(run.genesis->origin);
    if (options.key && *options.key != run.genesis->verifier) {
      Finding found;
      found.code = code::kGenesisMismatch;
      found.rank = Rank::kGenesis;
      found.table = TableId::kMeta;
      found.row = Row{};
      found.segment = SegmentNumber{0};
      found.file = segment_path(TableId::kMeta, SegmentNumber{0});
      found.offset = segment::kHeaderSize;
      found.expected = hex(Bytes(*options.key).first(8)) + "...";
      found.actual = hex(Bytes(run.genesis->verifier).first(8)) + "...";
      found.detail = "the key you supplied is not the one this log began with: it is another log";
      run.findings.add(std::move(found));
    }
    for (const std::string& text : options.against) {
      KHIPU_TRY_ASSIGN(std::optional<OutsideHead> head, read_note(text, run.genesis->origin, run.key, run.findings));
      if (head) run.heads.push_back(std::move(*head));
    }
    for (const std::string& text : options.own_checkpoints) {
      KHIPU_TRY_ASSIGN(std::optional<OutsideHead> head, read_note(text, run.genesis->origin, run.key, run.findings));
      if (!head) continue;
      head->what = "a checkpoint this log published";
      run.heads.push_back(std::move(*head));
    }
    const bool rows = run.report.scope == "range" || run.report.scope == "sample";
    KHIPU_TRY(rows ? run_rows(run) : run_full(run));
  } else {
    run.report.not_checked.emplace_back("everything else: without GENESIS there is no key to check it with");
  }
  began.stopped = control.stopped();
  conclude(run);
  return std::move(run.report);
}

}  // namespace

// A run that began with no writer is bounded by nothing that stays as it is when one starts: what it found then may be
// that writer's work under way. Beside a writer HEAD is the bound, and there is one judgement.
Result<Report> run(os::Directory& root, const Options& options) {
  Began began;
  Result<Report> first = run_once(root, options, false, began);
  if (began.head.writer_running || (first.ok() && first->verdict == Verdict::kPass)) return first;
  if (first.ok() && first->verdict == Verdict::kIncomplete && began.stopped) return first;
  if (options.cancelled != nullptr && options.cancelled->load()) return first;
  if (!moved_since(root, began.head)) return first;
  return run_once(root, options, true, began);
}

}  // namespace khipu::verify

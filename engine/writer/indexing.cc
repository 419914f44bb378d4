// The indexer's thread: one sealed segment after another gets its index, oldest first, then what is sealed from now on.
// It takes no lock over its work, so no commit waits for it. What it cannot build stays without index until the next
// start: readers scan, and nothing is lost.
#include "engine/segment/reader.h"
#include "engine/writer/indexer.h"
#include "engine/writer/writer_impl.h"

namespace khipu::writer {
namespace {

constexpr auto kLook = std::chrono::milliseconds(5);

}  // namespace

// Statement to be committed, or nothing when there is nothing new to say.
Result<std::optional<codec::IndexStatement>> Writer::Impl::index_segment(
    uint64_t number, const std::optional<codec::IndexStatement>& known, const registry::Schema& with,
    const CommittedTree& committed) {
  KHIPU_TRY_ASSIGN(const auto logs, environment.root.open_directory(table_name(TableId::kLogs)));
  if (known) {
    KHIPU_TRY_ASSIGN(const bool present, index_present(*logs, *known));
    if (present) return std::optional<codec::IndexStatement>();
  }
  KHIPU_TRY_ASSIGN(const segment::Manifest manifest, segment::read_manifest(*logs));
  if (number >= manifest.entries.size()) return Error{Code::kCorrupt, "the manifest lost an entry"};
  if (manifest.entries[number].footer.rows == 0) return std::optional<codec::IndexStatement>();  // commits alone
  KHIPU_TRY_ASSIGN(codec::IndexStatement made, build_index(*logs, manifest.entries[number], with, committed));
  if (known && known->root == made.root) return std::optional<codec::IndexStatement>();
  if (known) made.replaces = {known->file};
  return std::optional<codec::IndexStatement>(std::move(made));
}

void Writer::Impl::index_loop() {
  std::unique_lock hold(mutex);
  while (true) {
    index_moved.wait(hold, [&] { return stopping || !poisoned.empty() || sealed_logs() > index_next; });
    if (stopping || !poisoned.empty()) break;
    const uint64_t number = index_next;
    const bool retained = SegmentNumber{number} >= rules->retained_segment[index_of(TableId::kLogs)];
    const auto found = indexes.find(number);
    const std::optional<codec::IndexStatement> known =
        found == indexes.end() ? std::nullopt : std::optional(found->second);
    const std::shared_ptr<const registry::Schema> with = schema;
    const segment::HeadTable& logs = published.head.tables[index_of(TableId::kLogs)];
    const CommittedTree committed{logs.size, logs.root};
    hold.unlock();
    Result<std::optional<codec::IndexStatement>> made = std::optional<codec::IndexStatement>();
    if (retained)
      made = at("index of segment " + std::to_string(number), index_segment(number, known, *with, committed));
    hold.lock();
    if (!made.ok()) index_error = made.error().message;
    if (made.ok() && *made && !stopping && poisoned.empty()) {
      // Past the bounds of the queue: a busy log is one that needs its indexes.
      Submission submission{{}, {}, 1, 0, Steady::now()};
      submission.batch.statements.emplace_back(**std::move(made));
      submission.answer = [this](const Result<Receipt>&) { --indexes_unanswered; };  // with the mutex or without
      ++indexes_unanswered;
      ++queued_events;
      queue.push_back(std::move(submission));
      queue_moved.notify_one();
    }
    ++index_next;
    index_moved.notify_all();
  }
}

void Writer::wait_until_indexed() {
  Impl& impl = *impl_;
  std::unique_lock hold(impl.mutex);
  const auto done = [&] {
    return impl.stopping || !impl.poisoned.empty() || !impl.index_thread.joinable() ||
           (impl.sealed_logs() <= impl.index_next && impl.indexes_unanswered == 0);
  };
  while (!done()) impl.index_moved.wait_for(hold, kLook);  // answers come without the mutex and notify nobody
}

}  // namespace khipu::writer

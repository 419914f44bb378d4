#include "engine/writer/writer.h"

#include <fmt/format.h>

#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <thread>

#include "engine/ingest/validate.h"
#include "engine/os/lock_file.h"
#include "engine/writer/committer.h"
#include "engine/writer/publisher.h"
#include "engine/writer/recovery.h"
#include "engine/writer/sequencer.h"

namespace khipu::writer {
namespace {

using Steady = std::chrono::steady_clock;
constexpr auto kCheckpointInterval = std::chrono::seconds(1);
constexpr auto kOsSyncInterval = std::chrono::seconds(1);
// One commit takes at most so much from the queue: its answers should not wait for ever behind it.
constexpr uint64_t kCommitEventsMax = 16384;
constexpr uint64_t kCommitSizeBytesMax = 16ULL << 20;

struct Submission {
  ingest::Batch batch;
  Answer answer;
  uint64_t events = 0;
  uint64_t size_bytes = 0;
  Steady::time_point since;
};

uint64_t size_of(const ingest::Batch& batch) {
  uint64_t size = 0;
  for (const ingest::Event& event : batch.events) {
    size += 256 + event.content.size() + event.url.size() + 64 * event.targets.size();
  }
  return size;
}

}  // namespace

// Three threads beside the callers'. The writer's: queue -> sequence, encode, hash -> rows -> frame. The sync thread:
// fdatasync -> HEAD -> answers. The checkpointer's: every second, tree files, key-side state, HEAD sync. So the rows of
// a commit are written while the one before it syncs; its frame only after that sync has returned.
struct Writer::Impl {
  explicit Impl(Environment environment_) : environment(environment_) {}

  Environment environment;
  Options options;                                   // guarded by mutex
  std::optional<os::RootLock> lock;
  std::optional<Keys> keys;
  RootId root_id{};
  RecoveryReport recovery;
  std::unique_ptr<Sequencer> sequencer;              // the writer's thread
  std::unique_ptr<Committer> committer;              // the writer's thread
  std::unique_ptr<HeadFile> head_file;
  std::unique_ptr<IdempotencyLog> idempotency;       // the sync thread
  std::unique_ptr<Checkpointer> checkpointer;        // the checkpointer's thread, at the end close()

  mutable std::mutex mutex;
  std::condition_variable queue_moved, sync_moved, checkpoint_moved;
  // Guarded by mutex:
  std::deque<Submission> queue;
  uint64_t queued_events = 0, queued_size_bytes = 0;
  bool stopping = false;                             // no more submissions
  bool writer_done = false, sync_done = false;
  std::string poisoned;
  std::shared_ptr<const registry::Schema> schema;
  std::optional<Job> syncing;                        // handed to the sync thread
  bool sync_idle = true;
  Job published;                                     // the last commit whose HEAD was written
  CommitNumber checkpointed;
  std::array<uint64_t, kTableCount> tree_synced{};
  uint64_t commits = 0, events = 0;

  std::thread writer_thread, sync_thread, checkpoint_thread;
  bool closed = false;

  Result<void> open(Options opened_with);
  Result<void> replay(const Recovered& recovered);
  Result<void> name_quarantine();
  void start_threads();
  Result<void> close();

  void write_loop();
  std::vector<Submission> take();
  Result<void> commit(std::vector<Submission> taken);
  Result<void> wait_for_sync();
  void sync_loop();
  Result<void> make_durable(Job& job);
  void checkpoint_loop();
  Result<void> checkpoint();
  void poison(const Error& error);
  Error poison_error() const;

  // The writer's thread: what the open commit of policy `os` has gathered.
  Pending pending;
  std::vector<std::function<void(const Error*)>> answers;
  std::vector<Answered> answered;
  uint64_t uncommitted_events = 0;
  Steady::time_point uncommitted_since;
};

Result<void> Writer::Impl::open(Options opened_with) {
  options = std::move(opened_with);
  KHIPU_TRY_ASSIGN(lock, os::RootLock::acquire(environment.root, options.role, environment.clock.now()));
  KHIPU_TRY_ASSIGN(keys, load_keys(environment.keys));
  KHIPU_TRY_ASSIGN(const SignedState state, load_state(environment.keys));
  root_id = state.root_id;
  KHIPU_TRY_ASSIGN(const Recovered recovered, recover(environment.root, *keys, state));
  if (recovered.commit.number.value == 0) {
    return Error{Code::kNotFound, "this root holds no log: `khipu init` was interrupted; remove it and its keys "
                                  "folder and run init again"};
  }
  recovery = recovered.report;
  uint64_t seed = 0;
  environment.random.fill({reinterpret_cast<uint8_t*>(&seed), sizeof seed});
  sequencer = std::make_unique<Sequencer>(keys->index, environment.clock, environment.random, seed);
  sequencer->window().set_bounds(options.idempotency_keys_max, options.idempotency_window_us);
  KHIPU_TRY(at("replay", replay(recovered)));
  KHIPU_TRY_ASSIGN(committer, Committer::open(environment.root, *keys, root_id, recovered, options.segment_size_bytes));
  KHIPU_TRY_ASSIGN(head_file, HeadFile::open(environment.root, recovered.head.sequence, recovered.head_slot));
  KHIPU_TRY_ASSIGN(checkpointer, Checkpointer::open(environment.root, environment.keys));
  KHIPU_TRY_ASSIGN(idempotency,
                   IdempotencyLog::create(environment.root, sequencer->window().entries(),
                                          recovered.head.tables[index_of(TableId::kLogs)].size));
  published.commit = recovered.commit;
  published.head = recovered.head;
  checkpointed = state.number;
  for (size_t i = 0; i < kTableCount; ++i) tree_synced[i] = recovered.head.tables[i].tree_synced;
  schema = sequencer->schema();
  KHIPU_TRY(name_quarantine());
  return {};
}

// What the writer must remember: schema, entities, recent keys, the last recorded_at.
Result<void> Writer::Impl::replay(const Recovered& recovered) {
  const auto table = [&](TableId id) { return recovered.head.tables[index_of(id)]; };
  const auto rows = [&](TableId id, Row from, const std::function<Result<void>(Row, const codec::Frame&)>& visit) {
    return for_each_row(environment.root, id, recovered.manifests[index_of(id)], table(id), from, visit);
  };
  KHIPU_TRY(rows(TableId::kMeta, {0}, [&](Row, const codec::Frame& frame) {
    return sequencer->replay_statement(frame.payload);
  }));
  KHIPU_TRY(rows(TableId::kRegistry, {0}, [&](Row row, const codec::Frame& frame) {
    return sequencer->replay_version(row, frame.payload);
  }));
  KHIPU_TRY_ASSIGN(const IdempotencyLog::Loaded cache, IdempotencyLog::load(environment.root));
  const uint64_t size = table(TableId::kLogs).size;
  uint64_t covered = std::min(cache.covered_rows.value_or(0), size);
  if (!cache.covered_rows) {
    // No cache: only segments young enough to matter are read.
    for (const segment::ManifestEntry& entry : recovered.manifests[index_of(TableId::kLogs)].entries) {
      if (entry.footer.recorded_last + options.idempotency_window_us >= environment.clock.now()) break;
      covered = entry.footer.first_row.value + entry.footer.rows;
    }
  }
  for (const Answered& answered_before : cache.entries) {
    // What lies above `covered` is read from the records: a cached answer to a commit that was cut must not survive.
    if (answered_before.first_seq.value < covered) sequencer->window().add(answered_before);
  }
  KHIPU_TRY(rows(TableId::kLogs, {covered}, [&](Row row, const codec::Frame& frame) {
    return sequencer->replay_event_key(row, frame.payload, recovered.commit.number);
  }));
  std::array<uint64_t, kTableCount> sizes;
  for (size_t i = 0; i < kTableCount; ++i) sizes[i] = recovered.head.tables[i].size;
  sequencer->start(sizes, recovered.commit.time);
  return {};
}

// The first commit says what recovery set aside: also what an earlier run set aside and had no time to say.
Result<void> Writer::Impl::name_quarantine() {
  KHIPU_TRY_ASSIGN(const std::vector<codec::RecoveryStatement> statements,
                   unnamed_quarantine(environment.root, *keys, root_id, sequencer->recovered()));
  if (statements.empty()) return {};
  sequencer->begin(committer->next_number());
  for (const codec::RecoveryStatement& statement : statements) {
    KHIPU_TRY(sequencer->append_statement(statement, pending));
  }
  KHIPU_TRY(committer->write_rows(pending));
  pending.clear();
  committer->sign(environment.clock.now());
  KHIPU_TRY_ASSIGN(Job job, committer->write_frame());
  return make_durable(job);
}

void Writer::Impl::start_threads() {
  writer_thread = std::thread([this] { write_loop(); });
  sync_thread = std::thread([this] { sync_loop(); });
  checkpoint_thread = std::thread([this] { checkpoint_loop(); });
}

Error Writer::Impl::poison_error() const {
  return {Code::kPoisoned, "the writer stopped after a failed write or sync and must be reopened: " + poisoned};
}

void Writer::Impl::poison(const Error& error) {
  std::deque<Submission> refused;
  {
    const std::lock_guard hold(mutex);
    if (poisoned.empty()) poisoned = error.message;
    refused.swap(queue);
    queued_events = queued_size_bytes = 0;
  }
  queue_moved.notify_all();
  sync_moved.notify_all();
  checkpoint_moved.notify_all();
  for (Submission& submission : refused) submission.answer(poison_error());
}

// Waits until a commit is due and takes its submissions; empty when it is time to stop, or to sync what `os` gathered.
std::vector<Submission> Writer::Impl::take() {
  std::vector<Submission> taken;
  std::unique_lock hold(mutex);
  while (poisoned.empty()) {
    const bool due_now = !queue.empty() && (stopping || options.sync != SyncPolicy::kGroup ||
                                            queued_events >= options.group_events);
    if (due_now || (stopping && queue.empty())) break;
    if (uncommitted_events > 0 || committer->uncommitted()) {
      if (Steady::now() >= uncommitted_since + kOsSyncInterval) break;
      queue_moved.wait_until(hold, uncommitted_since + kOsSyncInterval);
    } else if (!queue.empty()) {
      const auto deadline = queue.front().since + std::chrono::microseconds(options.group_interval_us);
      if (Steady::now() >= deadline) break;
      queue_moved.wait_until(hold, deadline);
    } else {
      queue_moved.wait(hold);
    }
  }
  uint64_t events_taken = 0, size_taken = 0;
  while (!queue.empty() && poisoned.empty()) {
    Submission& next = queue.front();
    if (!taken.empty() && (options.sync == SyncPolicy::kAlways || events_taken + next.events > kCommitEventsMax ||
                           size_taken + next.size_bytes > kCommitSizeBytesMax)) {
      break;
    }
    events_taken += next.events;
    size_taken += next.size_bytes;
    queued_events -= next.events;
    queued_size_bytes -= next.size_bytes;
    taken.push_back(std::move(next));
    queue.pop_front();
  }
  return taken;
}

void Writer::Impl::write_loop() {
  while (true) {
    std::vector<Submission> taken = take();
    {
      const std::lock_guard hold(mutex);
      if (!poisoned.empty()) {
        for (Submission& submission : taken) submission.answer(poison_error());
        break;
      }
      if (taken.empty() && stopping && queue.empty() && uncommitted_events == 0 && !committer->uncommitted()) break;
    }
    if (Result<void> done = commit(std::move(taken)); !done.ok()) {
      poison(done.error());
      for (auto& answer : answers) answer(&done.error());
      answers.clear();
      break;
    }
  }
  const std::lock_guard hold(mutex);
  writer_done = true;
  sync_moved.notify_all();
}

// Until the sync thread is idle: the commit before this one is durable, visible and answered.
Result<void> Writer::Impl::wait_for_sync() {
  std::unique_lock hold(mutex);
  sync_moved.wait(hold, [&] { return sync_idle || !poisoned.empty(); });
  if (!poisoned.empty()) return poison_error();
  for (const TableId table : kTables) committer->tree_synced(table, tree_synced[index_of(table)]);
  return {};
}

Result<void> Writer::Impl::commit(std::vector<Submission> taken) {
  SyncPolicy policy;
  bool stop;
  {
    const std::lock_guard hold(mutex);
    policy = options.sync;
    stop = stopping;
    sequencer->window().set_bounds(options.idempotency_keys_max, options.idempotency_window_us);
  }
  pending.clear();
  sequencer->begin(committer->next_number());
  for (Submission& submission : taken) {
    Result<Receipt> receipt = sequencer->add(submission.batch, pending);
    if (!receipt.ok()) {
      submission.answer(std::move(receipt));
    } else if (policy == SyncPolicy::kOs) {
      receipt->durable = false;
      answers.push_back([answer = std::move(submission.answer), value = std::move(receipt).value()](const Error* error) {
        error ? answer(Error{Code::kPoisoned, error->message}) : answer(value);
      });
    } else {
      answers.push_back([answer = std::move(submission.answer), value = std::move(receipt).value()](const Error* error) {
        error ? answer(Error{Code::kPoisoned, error->message}) : answer(value);
      });
    }
    submission.batch = {};
  }
  const bool has_rows = std::any_of(pending.rows.begin(), pending.rows.end(),
                                    [](const Rows& rows) { return !rows.leaves.empty(); });
  {
    const std::lock_guard hold(mutex);
    schema = sequencer->schema();
  }
  if (has_rows) {
    if (committer->wants_seal() && !committer->uncommitted()) {
      KHIPU_TRY(wait_for_sync());
      KHIPU_TRY(committer->seal());
    }
    if (uncommitted_events == 0) uncommitted_since = Steady::now();
    KHIPU_TRY(committer->write_rows(pending));
    uncommitted_events += pending.events;
    answered.insert(answered.end(), pending.answered.begin(), pending.answered.end());
  }
  if (policy == SyncPolicy::kOs) {
    for (auto& answer : answers) answer(nullptr);
    answers.clear();
    if (!stop && Steady::now() < uncommitted_since + kOsSyncInterval) return {};
  }
  if (!committer->uncommitted()) {  // only refusals and repeats: what they repeat may still be on its way
    if (answers.empty()) return {};
    KHIPU_TRY(wait_for_sync());
    for (auto& answer : answers) answer(nullptr);
    answers.clear();
    return {};
  }
  committer->sign(environment.clock.now());
  KHIPU_TRY(wait_for_sync());
  KHIPU_TRY_ASSIGN(Job job, committer->write_frame());
  job.answers = std::move(answers);
  job.answered = std::move(answered);
  job.events = uncommitted_events;
  answers.clear();
  answered.clear();
  uncommitted_events = 0;
  const std::lock_guard hold(mutex);
  syncing = std::move(job);
  sync_idle = false;
  sync_moved.notify_all();
  return {};
}

void Writer::Impl::sync_loop() {
  std::unique_lock hold(mutex);
  while (true) {
    sync_moved.wait(hold, [&] { return syncing || writer_done; });
    if (!syncing) break;
    Job job = std::move(*syncing);
    syncing.reset();
    hold.unlock();
    const Result<void> done = make_durable(job);
    if (!done.ok()) poison(done.error());
    for (auto& answer : job.answers) answer(done.ok() ? nullptr : &done.error());
    hold.lock();
    sync_idle = true;
    sync_moved.notify_all();
    if (!done.ok()) break;
  }
  sync_done = true;
  checkpoint_moved.notify_all();
}

// (2) sync, (3) HEAD; the answers are the caller's.
Result<void> Writer::Impl::make_durable(Job& job) {
  KHIPU_TRY(at("commit " + std::to_string(job.commit.number.value), sync_files(job)));
  KHIPU_TRY(head_file->write(job.head));
  KHIPU_TRY(idempotency->append(job.answered));
  const std::lock_guard hold(mutex);
  ++commits;
  events += job.events;
  published.commit = job.commit;
  published.head = job.head;
  checkpoint_moved.notify_all();
  return {};
}

void Writer::Impl::checkpoint_loop() {
  std::unique_lock hold(mutex);
  while (!sync_done && poisoned.empty()) {
    checkpoint_moved.wait(hold, [&] {
      return sync_done || !poisoned.empty() || published.commit.number > checkpointed;
    });
    if (sync_done || !poisoned.empty()) break;
    hold.unlock();
    const Result<void> done = checkpoint();
    if (!done.ok()) poison(done.error());
    hold.lock();
    checkpoint_moved.wait_for(hold, kCheckpointInterval, [&] { return sync_done || !poisoned.empty(); });
  }
}

Result<void> Writer::Impl::checkpoint() {
  Job target;
  {
    const std::lock_guard hold(mutex);
    target.commit = published.commit;
    target.head = published.head;
  }
  KHIPU_TRY(at("checkpoint", checkpointer->run(target, *head_file)));
  const std::lock_guard hold(mutex);
  checkpointed = target.commit.number;
  for (size_t i = 0; i < kTableCount; ++i) tree_synced[i] = std::max(tree_synced[i], target.head.tables[i].size);
  return {};
}

Result<void> Writer::Impl::close() {
  if (closed) return {};
  closed = true;
  {
    const std::lock_guard hold(mutex);
    stopping = true;
  }
  queue_moved.notify_all();
  for (std::thread* thread : {&writer_thread, &sync_thread, &checkpoint_thread}) {
    if (thread->joinable()) thread->join();
  }
  if (!poisoned.empty()) return poison_error();
  if (!head_file || !checkpointer) return {};
  KHIPU_TRY(checkpoint());
  // HEAD once more, with what the checkpoint made durable, so that the next start rebuilds nothing.
  for (size_t i = 0; i < kTableCount; ++i) published.head.tables[i].tree_synced = tree_synced[i];
  KHIPU_TRY(head_file->write(published.head));
  KHIPU_TRY(head_file->sync());
  return idempotency->cover(published.head.tables[index_of(TableId::kLogs)].size);
}

Writer::Writer() = default;

Result<std::unique_ptr<Writer>> Writer::open(Environment environment, Options options) {
  std::unique_ptr<Writer> writer(new Writer());
  writer->impl_ = std::make_unique<Impl>(environment);
  if (Result<void> opened = writer->impl_->open(std::move(options)); !opened.ok()) {
    writer->impl_->closed = true;
    return std::move(opened).error();
  }
  writer->impl_->start_threads();
  return writer;
}

Writer::~Writer() {
  if (impl_) (void)impl_->close().ok();
}

void Writer::submit(ingest::Batch batch, Answer answer) {
  Impl& impl = *impl_;
  std::shared_ptr<const registry::Schema> schema = this->schema();
  ingest::Limits limits;
  {
    const std::lock_guard hold(impl.mutex);
    limits = impl.options.limits;
  }
  for (const codec::Statement& statement : batch.statements) {
    // Events may use what their own batch defines.
    auto extended = std::make_shared<registry::Schema>(*schema);
    if (const auto* type = std::get_if<codec::TypeStatement>(&statement)) extended->apply(type->type);
    if (const auto* column = std::get_if<codec::ColumnStatement>(&statement)) {
      codec::ColumnSchema with_id = column->column;
      const codec::ColumnSchema* known = schema->column(std::string_view(with_id.name));
      with_id.id = known ? known->id : static_cast<uint32_t>(schema->columns().size() + 1);
      extended->apply(with_id);
    }
    schema = std::move(extended);
  }
  if (Result<void> valid = ingest::validate(batch, *schema, limits, impl.environment.clock.now()); !valid.ok()) {
    return answer(std::move(valid).error());
  }
  Submission submission{std::move(batch), std::move(answer), 0, 0, Steady::now()};
  submission.events = std::max<uint64_t>(1, submission.batch.events.size());
  submission.size_bytes = size_of(submission.batch);
  std::optional<Error> refusal;
  {
    const std::lock_guard hold(impl.mutex);
    if (!impl.poisoned.empty()) {
      refusal = impl.poison_error();
    } else if (impl.stopping) {
      refusal = Error{Code::kPoisoned, "the writer is closing"};
    } else if (!impl.queue.empty() &&
               (impl.queued_events + submission.events > impl.options.queue_events_max ||
                impl.queued_size_bytes + submission.size_bytes > impl.options.queue_size_bytes_max)) {
      refusal = Error{Code::kBusy, fmt::format("{} events wait already; try again", impl.queued_events)};
    } else {
      impl.queued_events += submission.events;
      impl.queued_size_bytes += submission.size_bytes;
      impl.queue.push_back(std::move(submission));
    }
  }
  if (refusal) return submission.answer(std::move(*refusal));
  impl.queue_moved.notify_one();
}

Result<Receipt> Writer::submit_and_wait(ingest::Batch batch) {
  std::promise<Result<Receipt>> promise;
  std::future<Result<Receipt>> future = promise.get_future();
  submit(std::move(batch), [&promise](Result<Receipt> receipt) { promise.set_value(std::move(receipt)); });
  return future.get();
}

Result<void> Writer::close() { return impl_->close(); }

void Writer::reconfigure(const Options& options) {
  {
    const std::lock_guard hold(impl_->mutex);
    const uint64_t segment_size_bytes = impl_->options.segment_size_bytes;
    impl_->options = options;
    impl_->options.segment_size_bytes = segment_size_bytes;  // fixed at opening
  }
  impl_->queue_moved.notify_all();
}

std::shared_ptr<const registry::Schema> Writer::schema() const {
  const std::lock_guard hold(impl_->mutex);
  return impl_->schema;
}

Status Writer::status() const {
  const std::lock_guard hold(impl_->mutex);
  Status status;
  status.head = impl_->published.head;
  status.queued_events = impl_->queued_events;
  status.commits = impl_->commits;
  status.events = impl_->events;
  status.poisoned = impl_->poisoned;
  status.recovery = impl_->recovery;
  return status;
}

const RootId& Writer::root_id() const { return impl_->root_id; }

}  // namespace khipu::writer

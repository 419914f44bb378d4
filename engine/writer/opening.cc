// From files to a running writer and back: lock, recovery, replay, quarantine statements; and close().
#include "engine/crypto/wipe_freed.h"
#include "engine/index/merged.h"
#include "engine/os/head_lock.h"
#include "engine/writer/writer_impl.h"

#include <algorithm>

namespace khipu::writer {

// Exclusively, so that no other writer can. Whoever may read HEAD can hold it with others, and keeps nobody from
// writing by that: LOCK, which no reader may open, is held whatever they do.
static Result<bool> hold(os::File& head, uint64_t byte) {
  KHIPU_TRY_ASSIGN(const bool locked, head.try_lock(byte, 1, os::LockKind::kExclusive));
  if (locked) return true;
  KHIPU_TRY_ASSIGN(const bool by_a_writer, os::writer_holds(head, byte));
  return !by_a_writer;
}

// Recovery has written HEAD: whoever reads beside this writer may take it for all that was published.
static Result<void> keep(os::File& head) {
  KHIPU_TRY_ASSIGN(const bool held, hold(head, os::kHeadKeptOffset));
  if (held) return {};
  return Error{Code::kLocked, "HEAD: another process holds its byte 97"};
}

// Whoever removes LOCK under a running writer lets a second one in, which would write over what the first has
// acknowledged: HEAD, which no log is without, is locked as well.
Result<void> Writer::Impl::hold_head() {
  auto head = environment.root.open_file(segment::kHeadName, os::Mode::kReadWrite);
  if (!head.ok() && head.error().code == Code::kNotFound) return {};  // recovery makes it again
  KHIPU_TRY_ASSIGN(held_head, std::move(head));
  KHIPU_TRY_ASSIGN(const bool held, hold(*held_head, os::kHeadLockOffset));
  if (held) return {};
  return Error{Code::kLocked, environment.root.path() +
                                  ": another process writes here, though LOCK does not say so: somebody removed or "
                                  "replaced LOCK while it ran"};
}

Result<void> Writer::Impl::open(Options opened_with) {
  options = std::move(opened_with);
  KHIPU_TRY_ASSIGN(lock, os::RootLock::acquire(environment.root, options.role, environment.clock.now()));
  KHIPU_TRY(hold_head());
  KHIPU_TRY(os::create_reader_slots(environment.root));  // somebody may have removed it: no reader gets in without
  KHIPU_TRY_ASSIGN(keys_lock, os::RootLock::acquire_keys(environment.keys, options.role, environment.clock.now()));
  KHIPU_TRY_ASSIGN(keys, load_keys(environment.keys));
  SignedState state;
  Result<SignedState> loaded = load_state(environment.keys);
  const bool state_lost = !loaded.ok();
  if (!state_lost) {
    state = *loaded;
  } else {
    if (!options.accept_rollback || loaded.error().code != Code::kCorrupt) return std::move(loaded).error();
    KHIPU_TRY_ASSIGN(const auto slots, segment::read_head(environment.root));
    const std::optional<segment::Head> head = segment::newest(slots);
    if (!head) return std::move(loaded).error();
    state.root_id = head->root_id;  // the signatures are over it
  }
  root_id = state.root_id;
  KHIPU_TRY_ASSIGN(const Recovered recovered,
                   recover(environment.root, *keys, state, options.accept_rollback.has_value()));
  if (recovered.commit.number.value == 0) {
    return Error{Code::kNotFound,
                 "this root holds no log: `khipu init` was interrupted; remove it and its keys "
                 "folder and run init again"};
  }
  recovery = recovered.report;
  uint64_t seed = 0;
  environment.random.fill({reinterpret_cast<uint8_t*>(&seed), sizeof seed});
  sequencer = std::make_unique<Sequencer>(keys->index, environment.clock, environment.random, seed);
  KeyBounds bounds{options.idempotency_keys_max, options.idempotency_window_us};
  if (options.keeps_idempotency_bounds) {
    KHIPU_TRY_ASSIGN(const IdempotencyLog::Loaded configured, IdempotencyLog::load(environment.root, 0));
    bounds = configured.bounds;
    options.idempotency_keys_max = std::max(options.idempotency_keys_max, bounds.keys_max);
    options.idempotency_window_us = std::max(options.idempotency_window_us, bounds.window_us);
  }
  sequencer->window().set_bounds(options.idempotency_keys_max, options.idempotency_window_us);
  KHIPU_TRY(at("replay", replay(recovered)));
  KHIPU_TRY_ASSIGN(committer, Committer::open(environment.root, *keys, root_id, recovered, options.segment_size_bytes));
  KHIPU_TRY_ASSIGN(head_file, HeadFile::open(environment.root, recovered.head.sequence, recovered.head_slot));
  IdempotencyWindow& window = sequencer->window();
  window.trim(environment.clock.now());
  KHIPU_TRY_ASSIGN(idempotency, IdempotencyLog::create(environment.root, window.entries(),
                                                       recovered.head.tables[index_of(TableId::kLogs)].size,
                                                       window.first_number(), bounds));
  published.commit = recovered.commit;
  published.head = recovered.head;
  epoch = recovered.head.epoch;
  for (size_t i = 0; i < kTableCount; ++i) tree_synced[i] = recovered.head.tables[i].tree_synced;
  schema = sequencer->schema();
  if (schema->protects()) crypto::wipe_freed_memory();  // plaintext passes through on its way to be sealed
  rules = sequencer->rules();
  // Key files that were shredded go now, also when no protected value ever comes again.
  if (!key_log.files().empty()) KHIPU_TRY(open_sealer());
  KHIPU_TRY_ASSIGN(const bool rolled_back, open_checkpoints(recovered, state, state_lost));
  KHIPU_TRY(first_commit(state, rolled_back));
  if (!held_head) KHIPU_TRY(hold_head());  // it was not there when this began
  if (!held_head) return Error{Code::kNotFound, "HEAD was removed while the writer started"};
  return keep(*held_head);
}

// Does checkpoints.log hold what the key side knows was published? When an operator accepted that it does not, or that
// the log is an older copy: true.
Result<bool> Writer::Impl::open_checkpoints(const Recovered& recovered, const SignedState& state, bool state_lost) {
  Quarantine quarantine(environment.root);
  KHIPU_TRY(quarantine.open());
  bool rolled_back = state_lost || recovered.contradicts_state;
  if (!rolled_back) {
    auto opened = Checkpointer::open(environment.root, environment.keys, *keys, state, quarantine);
    if (opened.ok()) {
      checkpointer = std::move(*opened);
      // As it is: a writer that could not replace it would state what it can never publish.
      KHIPU_TRY(at(environment.keys.path() + "/" + std::string(kStateName), save_state(environment.keys, state)));
    } else if (!options.accept_rollback || opened.error().code != Code::kCorrupt) {
      return std::move(opened).error();
    } else {
      rolled_back = true;
    }
  }
  if (options.accept_rollback && !rolled_back) {
    return Error{Code::kInvalid, "there is nothing to accept: the log goes on from the last signed state"};
  }
  SignedState line;
  line.root_id = root_id;
  line.number = recovered.commit.number;
  line.hash = recovered.head.commit_hash;
  line.tables = recovered.commit.tables;
  if (rolled_back) {
    KHIPU_TRY_ASSIGN(checkpointer,
                     Checkpointer::open_accepted(environment.root, environment.keys, *keys, line, quarantine));
  }
  const std::vector<std::string>& names = quarantine.names();
  recovery.quarantined.insert(recovery.quarantined.end(), names.begin(), names.end());
  checkpoint_number = checkpointer->number();
  checkpoint_note = checkpointer->note();
  spine.start(recovered.manifests, rolled_back ? 0 : state.tables[index_of(TableId::kMeta)].size);
  clock_offset = environment.clock.now() - environment.clock.boot_us();
  if (environment.clock.now() + kClockStepUs < recovered.commit.time) {
    note_clock_step(environment.clock.now() - recovered.commit.time);
  }
  checkpoint_next = Steady::now() + std::chrono::microseconds(options.checkpoint_interval_us);
  heartbeat_next = Steady::now() + std::chrono::microseconds(options.heartbeat_interval_us);
  return rolled_back;
}

// What the writer must remember: schema, entities, recent keys, the last recorded_at.
Result<void> Writer::Impl::replay(const Recovered& recovered) {
  const auto table = [&](TableId id) { return recovered.head.tables[index_of(id)]; };
  const auto rows = [&](TableId id, Row from, const std::function<Result<void>(Row, const codec::Frame&)>& visit) {
    return for_each_row(environment.root, id, recovered.manifests[index_of(id)], table(id), from, visit);
  };
  const auto replay_statement = [&](Row row, const codec::Frame& frame) -> Result<void> {
    KHIPU_TRY_ASSIGN(const codec::StatementRecord record, sequencer->replay_statement(frame.payload));
    if (const auto* head = std::get_if<codec::TableHead>(&record.body)) spine.replay(row, *head);
    if (const auto* stated = std::get_if<codec::IndexStatement>(&record.body)) {
      note_index(*stated);
    }
    return {};
  };
  KHIPU_TRY(rows(TableId::kMeta, {0}, replay_statement));
  key_log = sequencer->key_log();
  KHIPU_TRY(open_registry(recovered));
  KHIPU_TRY_ASSIGN(const IdempotencyLog::Loaded cache,
                   IdempotencyLog::load(environment.root, options.idempotency_keys_max));
  uint64_t covered = std::min(cache.covered_rows.value_or(0), table(TableId::kLogs).size);
  // Only segments young enough to matter are read.
  for (const segment::ManifestEntry& entry : recovered.manifests[index_of(TableId::kLogs)].entries) {
    if (entry.footer.recorded_last + options.idempotency_window_us >= environment.clock.now()) break;
    covered = std::max(covered, entry.footer.first_row.value + entry.footer.rows);
  }
  // What retention let go cannot be read: keys of such rows are known from the cache or not at all. They were in it
  // before the RETENTION's checkpoint was published.
  covered = std::max(covered, sequencer->rules()->retained[index_of(TableId::kLogs)].value);
  for (const Answered& answered_before : cache.entries) {
    // What lies above `covered` is read from the records: a cached answer to a commit that was cut must not survive. A
    // key without events stands in no record; its seq is that of the event that came next.
    const uint64_t first = answered_before.first_seq.value;
    const bool alone = answered_before.count == 0 && first == covered;
    if (answered_before.commit > recovered.commit.number || (first >= covered && !alone)) continue;
    sequencer->window().add(answered_before);
  }
  KHIPU_TRY(rows(TableId::kLogs, Row{covered}, [&](Row row, const codec::Frame& frame) {
    return sequencer->replay_event_key(row, frame.payload, recovered.commit.number);
  }));
  std::array<uint64_t, kTableCount> sizes;
  for (size_t i = 0; i < kTableCount; ++i) sizes[i] = recovered.head.tables[i].size;
  sequencer->start(sizes, recovered.commit.time);
  return {};
}

void Writer::Impl::note_index(const codec::IndexStatement& stated) {
  if (!index::is_indexed(stated.table)) return;
  if (const auto number = index::parse_index_name(stated.file)) {
    indexes[{stated.table, *number}] = stated;
    run_files.erase({stated.table, *number});
  } else if (const auto range = index::parse_merged_name(stated.file); range) {
    merged[{stated.table, range->first, range->last}] = stated;
  } else if (const auto run = index::parse_run_name(stated.file)) {
    std::vector<std::string>& files = run_files[{stated.table, run->segment}];
    if (std::find(files.begin(), files.end(), stated.file) == files.end()) files.push_back(stated.file);
    GrowingRuns& growing = runs[index_of(stated.table)];
    if (growing.segment < run->segment || growing.made.empty()) growing = {run->segment, {}, {}, {}, 0, false, {}};
    if (growing.segment != run->segment || run->run > growing.made.size()) return;
    if (growing.made.empty()) growing.first_row = stated.first_row;
    growing.made.resize(std::max<size_t>(growing.made.size(), run->run + 1));
    growing.made[run->run] = stated;
    growing.next = Row{growing.made.back().first_row.value + growing.made.back().rows};
  }
}

// Entities: what the indexes of sealed segments and the runs of the active one say, and of all other rows every
// version. The newest rows first: what is known of an entity is its newest version, and older ones need not even be
// read.
Result<void> Writer::Impl::open_registry(const Recovered& recovered) {
  KHIPU_TRY_ASSIGN(registry_rows, RegistryRows::open(environment.root));
  sequencer->read_versions_with([this](Row row) { return registry_rows->read(row); });
  constexpr size_t kRegistry = index_of(TableId::kRegistry);
  // Rows of an index file, or, when it cannot be used, those from `first` on in the segment up to where it ends.
  const auto take = [&](const SegmentRows& rows, const codec::IndexStatement& stated,
                        Row segment_first) -> Result<void> {
    const auto visit = [&](std::string_view key, Row entity, Row newest) {
      sequencer->add_entity(key, entity, newest);
    };
    KHIPU_TRY_ASSIGN(const bool used, registry_rows->add(rows, segment_first, stated, visit));
    if (used) return {};
    const uint64_t before = rows.first.value - segment_first.value;
    return replay_versions({rows.number, segment_first, before + rows.rows, rows.end}, rows.first);
  };
  const std::vector<SegmentRows> segments =
      segments_of(recovered.manifests[kRegistry], recovered.head.tables[kRegistry]);
  for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
    if (const auto stated = indexes.find({TableId::kRegistry, segment->number}); stated != indexes.end()) {
      KHIPU_TRY(take(*segment, stated->second, segment->first));
      continue;
    }
    const GrowingRuns& growing = runs[kRegistry];
    std::vector<SegmentRows> indexed;
    Row end = segment->first;
    for (size_t i = 0; growing.segment == segment->number && i < growing.made.size(); ++i) {
      const codec::IndexStatement& run = growing.made[i];
      if (run.first_row != end || run.rows > segment->first.value + segment->rows - end.value) break;
      indexed.push_back({segment->number, end, run.rows, segment->end});
      end = Row{end.value + run.rows};
    }
    KHIPU_TRY(replay_versions(*segment, end));
    for (size_t i = indexed.size(); i-- > 0;) KHIPU_TRY(take(indexed[i], growing.made[i], segment->first));
  }
  return {};
}

Result<void> Writer::Impl::replay_versions(const SegmentRows& segment, Row from) {
  return for_each_row_of(environment.root, TableId::kRegistry, segment, from, [&](Row row, const codec::Frame& frame) {
    return sequencer->replay_version(row, frame.payload);
  });
}

// The first commit says what recovery set aside, also what an earlier run set aside and had no time to say; and that an
// operator accepted an older copy.
Result<void> Writer::Impl::first_commit(const SignedState& state, bool rolled_back) {
  KHIPU_TRY_ASSIGN(const std::vector<codec::RecoveryStatement> statements,
                   unnamed_quarantine(environment.root, *keys, root_id, sequencer->recovered()));
  if (statements.empty() && !rolled_back) return {};
  sequencer->begin(committer->next_number());
  for (const codec::RecoveryStatement& statement : statements) {
    KHIPU_TRY(sequencer->append_statement(statement, pending));
  }
  if (rolled_back) {
    codec::Rollback rollback;
    rollback.lost_commit = state.number;
    rollback.lost_hash = state.hash;
    rollback.lost = state.tables;
    rollback.reason = options.accept_rollback->reason;
    rollback.by = options.accept_rollback->by;
    KHIPU_TRY(sequencer->append_statement(std::move(rollback), pending));
  }
  KHIPU_TRY(committer->write_rows(pending));
  pending.clear();
  committer->sign(std::max(environment.clock.now(), sequencer->recorded_at()));
  KHIPU_TRY_ASSIGN(Job job, committer->place_frame());
  return make_durable(job);
}

Result<void> Writer::Impl::close() {
  if (closed) return {};
  closed = true;
  {
    const std::lock_guard hold(mutex);
    stopping = true;
  }
  queue_moved.notify_all();
  index_moved.notify_all();
  for (std::thread* thread : {&index_thread, &writer_thread, &sync_thread, &checkpoint_thread}) {
    if (thread->joinable()) thread->join();
  }
  const Result<void> done = finish_files();
  held_head.reset();
  keys_lock.reset();
  lock.reset();  // last: whoever opens the root next finds nothing of this writer's still to come
  return done;
}

Result<void> Writer::Impl::finish_files() {
  if (!poisoned.empty()) return poison_error();
  if (!head_file || !checkpointer) return {};
  // HEAD once more, with what the checkpoint made durable, so that the next start rebuilds nothing.
  for (size_t i = 0; i < kTableCount; ++i) published.head.tables[i].tree_synced = tree_synced[i];
  KHIPU_TRY(head_file->write(published.head));
  KHIPU_TRY(head_file->sync());
  return idempotency->cover(published.head.tables[index_of(TableId::kLogs)].size, sequencer->window().first_number());
}

}  // namespace khipu::writer

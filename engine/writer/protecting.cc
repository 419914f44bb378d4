// Protected values are sealed on the caller's thread, before a batch is queued: the writer's thread never waits for a
// cipher or a key file. KEY statements that are due enter the queue in front of the batch that needs them.
#include "engine/crypto/wipe_freed.h"
#include "engine/ingest/protect.h"
#include "engine/writer/writer_impl.h"

namespace khipu::writer {

// With protect_mutex held, or while nobody else is there yet.
Result<void> Writer::Impl::open_sealer() {
  KHIPU_TRY_ASSIGN(protect::WriterRing ring, protect::load_writer_ring(environment.keys));
  // Under another log's keys nobody who reads this one would find what is written, and nobody would be told.
  const std::optional<codec::Genesis>& genesis = sequencer->genesis();
  if (!genesis) return Error{Code::kCorrupt, "no GENESIS statement"};
  KHIPU_TRY(protect::check_origin(ring, environment.keys.path(), genesis->origin));
  if (!wrapped_keys) {
    KHIPU_TRY_ASSIGN(wrapped_keys, environment.root.open_directory("keys"));
  }
  protect::Sealer::Options with;
  with.root = root_id;
  with.key_side = &environment.keys;
  with.wrapped = wrapped_keys.get();
  KHIPU_TRY_ASSIGN(sealer, protect::Sealer::open(std::move(ring), key_log, with, environment.clock.now()));
  key_log = {};  // the sealer's from here on
  // libsodium leaves hashes on the stack, and hashes are what keys are derived as: yesterday's token key, for one.
  crypto::wipe_freed_memory();
  crypto::wipe_stack();
  return {};
}

// A shredding or re-wrap was committed: from here on its keys are not used, and their files go.
Result<void> Writer::Impl::note_keys(const codec::Statement& statement) {
  const auto* key = std::get_if<codec::KeyStatement>(&statement);
  const auto* shred = std::get_if<codec::Shred>(&statement);
  if (key == nullptr && shred == nullptr) return {};
  const std::lock_guard hold(protect_mutex);
  if (sealer) return key != nullptr ? sealer->apply(*key) : sealer->apply(*shred);
  return key != nullptr ? key_log.apply(*key) : key_log.apply(*shred);
}

// The checkpointer's thread, about once a second: a session's keys are wiped when its time is over, whether anything
// comes to be written or not. Whoever has the mutex now looks at the clock itself before it seals.
void Writer::Impl::end_session_when_over() {
  const std::unique_lock hold(protect_mutex, std::try_to_lock);
  if (hold && sealer) sealer->end_session_when_over(environment.clock.now());
}

Result<void> Writer::protect(ingest::Batch& batch, const registry::Schema& schema) {
  const bool values = ingest::holds_protected(batch, schema);
  if (!values && batch.statements.empty()) return {};
  Impl& impl = *impl_;
  const std::lock_guard hold(impl.protect_mutex);
  // With a definition come the statements about who may read: so that others, who cannot look into the writer's keys,
  // know whom to seal for before the first value is there (what an import sets aside, for one).
  if (!values && impl.sealer) return {};
  if (!impl.sealer) KHIPU_TRY(impl.open_sealer());
  Result<void> done;
  if (values) {
    KHIPU_TRY(impl.sealer->begin_batch(impl.environment.clock.now()));
    done = ingest::protect(batch, schema, impl.root_id, *impl.sealer, impl.environment.random);
    crypto::wipe_stack();  // a session's keys end with it, also those that were derived on this thread
  }
  // Also after an error: a key that was made for this batch serves the next one. Still under the mutex, so that nothing
  // sealed under a key can be queued in front of the statement about it.
  const std::vector<codec::KeyStatement> due = impl.sealer->take_due();
  if (!due.empty()) {
    ingest::Batch own;
    for (const codec::KeyStatement& statement : due) own.statements.emplace_back(statement);
    enter(
        std::move(own), {},
        [&impl](const Result<Receipt>& receipt) {
          // Values under a key that meta does not know could never be opened.
          if (!receipt.ok() && receipt.error().code != Code::kPoisoned) impl.poison(receipt.error());
        },
        Entry::kOwn);
  }
  // Without keys there was nothing to do but to say so; `khipu keys init` may come while this writer runs.
  if (impl.sealer->keyless()) {
    impl.key_log = impl.sealer->log();
    impl.sealer.reset();
  }
  return done;
}

}  // namespace khipu::writer

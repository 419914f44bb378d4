// The writer's side of protected fields: seals values nobody here can open again, and makes the tokens, digests and
// fingerprints that stand beside them. Bytes: engine/FORMAT.md "Protected values" and "keys/". Not here: reading
// (opener.h), searching (searcher.h).
//
// Data keys: one per session, and one per session and data subject where a field asks for that. A session ends when the
// Sealer goes or an hour after its first value (with the next one, or when its owner asks: end_session_when_over());
// its keys are wiped then, and only the recipients can open what it sealed. A new data key is written to ROOT/keys and
// synced before it seals anything, and its KEY statement is in take_due(): the writer puts that into meta no later than
// in the commit that holds the key's first value.
//
// Token keys: one a day, each derived from the one before; token-day.key in ROOT.keys holds the newest and is replaced
// at the first batch with protected values of a day, before anything is made with the new key. What is gone cannot be
// derived from what is left. A clock set back leaves it where it is. A KEY statement says the day before its first
// token: searches go as far as that. A newer version in the file, which a rotation put there, is taken up at that time.
//
// A missing key is an error (kForbidden, naming the file and the command that makes it), never a weaker fallback.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "engine/os/clock.h"
#include "engine/protect/field.h"
#include "engine/protect/key_log.h"
#include "engine/protect/key_ring.h"
#include "engine/protect/transform.h"
#include "engine/protect/value.h"

namespace khipu::protect {

inline constexpr int64_t kSessionUs = 3600LL * 1000 * 1000;

// Owner and thread: the writer's; fingerprint() and digest() change nothing and may be called from any thread.
class Sealer {
 public:
  struct Options {
    RootId root{};
    os::Directory* key_side = nullptr;  // ROOT.keys; outlives the Sealer
    os::Directory* wrapped = nullptr;   // ROOT/keys; outlives the Sealer
    int64_t session_us = kSessionUs;
  };
  // `log` as of the newest statement. Takes up what a crash left: files no statement names, and those that were
  // shredded or replaced, are unlinked. New or retired recipients come as statements due. Something else in the place
  // of a file in keys/ (a link, a folder), or one that cannot be read or unlinked, stops nothing: a person whose file
  // it is gets another pair, the rest goes, and verify tells.
  static Result<std::unique_ptr<Sealer>> open(WriterRing ring, KeyLog log, const Options& options, TimeUs now);
  ~Sealer();
  Sealer(const Sealer&) = delete;
  Sealer& operator=(const Sealer&) = delete;

  // Before the first value of a batch: ends a session that is over, steps the token key to the day of `now`. kForbidden
  // when token-day.key is gone by then.
  Result<void> begin_batch(TimeUs now);

  // Appends the sealed bytes to `to`. 1 us for a short value; milliseconds for the first of a session or subject (a
  // file is written and synced). subject: for fields with a key per data subject.
  Result<void> seal(const FieldPlace& place, Bytes plaintext, const SubjectName* subject, Buffer& to);

  // Appends the tokens of a value, ascending, under today's key.
  Result<void> tokens(const FieldName& name, const IndexRule& rule, std::string_view text, std::vector<Token>& to);

  // Tells whether a value changed without being able to read the old one. The same for ever, unlike tokens.
  Result<Fingerprint> fingerprint(const FieldName& name, std::string_view entity_id, codec::ValueKind kind,
                                  Bytes plaintext) const;
  Result<std::array<uint8_t, kDigestSize>> digest(const FieldName& name, codec::ValueKind kind, Bytes plaintext) const;

  // Statements to commit before, or together with, whatever was sealed up to now. Handed out once.
  std::vector<codec::KeyStatement> take_due();

  // A SHRED or a re-wrap (what take_due() did not hand out) is committed and durable: keys it concerns are forgotten,
  // their files unlinked and the directory synced. The file that a re-wrap names was synced before it was stated
  // (adoptable() does).
  Result<void> apply(const codec::Shred& statement);
  Result<void> apply(const codec::KeyStatement& statement);

  void end_session();  // wipes the data keys; the next value begins another
  // The same when its time is over: for whoever has no values to write. Was it?
  bool end_session_when_over(TimeUs now);
  const KeyLog& log() const;
  uint32_t epoch_day() const;  // of the token key in use: days since 1970-01-01; 0 when there is none
  bool keyless() const;        // not one key file was there: it can write nothing, and another one should be opened

 private:
  struct State;
  explicit Sealer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace khipu::protect

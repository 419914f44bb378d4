#include "engine/protect/sealer.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "engine/crypto/aead.h"
#include "engine/protect/derive.h"
#include "engine/protect/key_table.h"
#include "engine/protect/searcher.h"

namespace khipu::protect {
namespace {

using codec::KeyAction;
using codec::KeyStatement;
using crypto::SecretBytes;

// Stepping the token chain over more days than this is a clock gone wrong: there is no step back.
constexpr uint32_t kDaysAheadMax = 3660;
constexpr size_t kNoncesPerDraw = 256;
// Each looks at ROOT/keys anew: only somebody who drops files there all the time has it fail.
constexpr int kNumberAttempts = 16;
// Data subjects with an open data key at a time. Above it all of them end, and begin again with the next value.
constexpr size_t kOpenSubjectsMax = 4096;

Error missing(std::string_view file) {
  return Error{Code::kForbidden, "a protected field cannot be written: the key file " + std::string(file) +
                                     " is missing in the writer's keys; `khipu keys init` makes it"};
}

std::string recipient_text(const Recipient& recipient) {
  return recipient.name + "/" + std::to_string(recipient.version);
}

}  // namespace

struct Sealer::State {
  Options options;
  WriterRing ring;
  KeyLog log;
  std::vector<Recipient> recipients;
  uint16_t newest_recipient = 0;

  TimeUs now = 0;
  uint32_t day = 0;

  // The session: numbers of its data keys; the keys and what is derived from them, by name.
  std::optional<uint32_t> session_key;
  TimeUs session_began = 0;
  KeyTable session;
  std::map<SubjectName, uint32_t> subject_sessions;  // -> number of the session's data key for that person

  struct Pair {
    uint32_t number = 0;
    crypto::BoxPublicKey key{};
  };
  std::map<SubjectName, Pair> subjects;
  std::set<uint32_t> strays;  // numbers of files that no statement names, above those that one does
  std::vector<KeyStatement> due;

  KeyTable token_keys;     // of today
  std::mutex still_mutex;  // guards what fingerprint() and digest() share between threads
  KeyTable still_keys;
  std::string still_text;

  std::array<uint8_t, kNoncesPerDraw * kNonceSize> nonces{};
  size_t nonces_left = 0;
  Buffer associated;
  std::string key_text;
  Terms terms;

  Result<void> take_up(TimeUs at);
  Result<void> load_subject(const KeyLog::File& file);
  Result<void> announce_recipients();
  Result<uint32_t> next_number();
  Result<void> note_strays();
  Result<void> create(KeyAction action, WrappedKey& key, const SecretBytes& secret, const std::vector<Recipient>& to);
  Result<uint32_t> group_key();
  Result<uint32_t> subject_key(const SubjectName& subject);
  Result<const Pair*> subject_pair(const SubjectName& subject);
  Bytes data_key(uint32_t number);
  Bytes next_nonce();
  Result<void> step_to(uint32_t today);
  Result<void> take_up_rotation();
  Result<void> announce_day();
  Result<void> unlink_all(const std::vector<std::string>& names);
  void end_session();
};

Sealer::Sealer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Sealer::~Sealer() = default;

// ---- opening

Result<std::unique_ptr<Sealer>> Sealer::open(WriterRing ring, KeyLog log, const Options& options, TimeUs now) {
  KHIPU_ASSERT(options.key_side != nullptr && options.wrapped != nullptr);
  auto state = std::make_unique<State>();
  state->options = options;
  state->ring = std::move(ring);
  state->log = std::move(log);
  for (const crypto::Key& key : state->ring.recipients) {
    KHIPU_TRY_ASSIGN(const crypto::BoxPublicKey bytes, crypto::box_public_key(key));
    state->recipients.push_back({key.name, key.version, bytes});
    state->newest_recipient = std::max(state->newest_recipient, static_cast<uint16_t>(key.version));
  }
  if (state->recipients.size() > kRecipientsMax) return Error{Code::kLimit, "more than 64 recipient keys"};
  if (state->ring.token_day) state->day = epoch_day_of(state->ring.token_day->created);
  KHIPU_TRY(state->take_up(now));
  return std::unique_ptr<Sealer>(new Sealer(std::move(state)));
}

Result<void> Sealer::State::take_up(TimeUs at) {
  now = at;
  std::vector<std::string> gone;
  KHIPU_TRY_ASSIGN(const std::vector<os::Entry> entries, options.wrapped->list());
  for (const os::Entry& entry : entries) {
    const std::optional<WrappedName> name = WrappedName::parse(entry.name);
    if (!name) continue;
    const KeyLog::File* file = log.file(entry.name);
    if (file == nullptr) {
      // Made for a commit that never came, or a re-wrap that nobody adopted yet. It stays, as evidence costs nothing,
      // and its number is not given again; but of a shredded key nothing may stay.
      const KeyLog::File* const current = log.current(name->number);
      if (current != nullptr && current->state == KeyLog::State::kShredded) gone.push_back(entry.name);
      if (name->number > log.last_number()) strays.insert(name->number);
    } else if (file->state != KeyLog::State::kCurrent) {
      gone.push_back(entry.name);
    } else if (name->kind == WrappedKind::kSubject) {
      KHIPU_TRY(load_subject(*file));
    }
  }
  KHIPU_TRY(unlink_all(gone));
  // The token chain stays where it is: a clock that is ahead at a start alone uses up no day.
  return announce_recipients();
}

Result<void> Sealer::State::load_subject(const KeyLog::File& file) {
  Result<WrappedKey> key = read_wrapped(*options.wrapped, options.root, file.name, file.sha256, file.commitment);
  if (!key.ok()) {
    // Changed by somebody, replaced by a link, closed to us: verify says so. Nothing is sealed to it again; the person
    // gets another pair.
    const Code code = key.error().code;
    if (code == Code::kIo || code == Code::kNoSpace) return std::move(key).error();
    return {};
  }
  subjects[key->subject] = Pair{file.name.number, key->public_key};
  return {};
}

// New data keys go to whoever is in the ring: meta says so before any of them.
Result<void> Sealer::State::announce_recipients() {
  if (recipients.empty()) return {};
  std::map<std::string, crypto::BoxPublicKey> wanted;
  for (const Recipient& recipient : recipients) wanted.emplace(recipient_text(recipient), recipient.key);
  const auto announce = [this](KeyAction action, const std::string& name, const crypto::BoxPublicKey& key) {
    KeyStatement statement;
    statement.action = action;
    statement.name = name;
    statement.key = key;
    due.push_back(std::move(statement));
    return log.apply(due.back());
  };
  const auto known = log.recipients();
  for (const auto& [name, key] : known) {
    const auto found = wanted.find(name);
    if (found != wanted.end() && found->second == key) continue;
    KHIPU_TRY(announce(KeyAction::kRetireRecipient, name, key));
  }
  for (const auto& [name, key] : wanted) {
    const auto found = known.find(name);
    if (found != known.end() && found->second == key) continue;
    KHIPU_TRY(announce(KeyAction::kAddRecipient, name, key));
  }
  return {};
}

Result<void> Sealer::State::unlink_all(const std::vector<std::string>& names) {
  bool changed = false;
  std::optional<Error> failed;
  for (const std::string& name : names) {
    const Result<void> removed = options.wrapped->unlink(name);
    changed = changed || removed.ok();
    if (removed.ok() || removed.error().code == Code::kNotFound) continue;
    // A folder under such a name, or rights: sweep() names it to whoever shreds or adopts, and verify tells of it.
    if (removed.error().code != Code::kForbidden && !failed) failed = removed.error();
  }
  if (changed) KHIPU_TRY(options.wrapped->sync());
  return failed ? Result<void>(*failed) : Result<void>();
}

// ---- data keys

Bytes Sealer::State::data_key(uint32_t number) {
  KeyTable::name_key(key_text, 'd', {}, number);
  return session.find(key_text);
}

// The first that is free, not the one behind the last: a file that anybody dropped there must not use them all up.
Result<uint32_t> Sealer::State::next_number() {
  uint32_t number = log.last_number();
  do {
    if (number == UINT32_MAX) return Error{Code::kLimit, "no key numbers are left"};
    ++number;
  } while (strays.contains(number));
  return number;
}

// Files that came into ROOT/keys while this one runs.
Result<void> Sealer::State::note_strays() {
  KHIPU_TRY_ASSIGN(const std::vector<os::Entry> entries, options.wrapped->list());
  for (const os::Entry& entry : entries) {
    const std::optional<WrappedName> name = WrappedName::parse(entry.name);
    if (name && name->number > log.last_number()) strays.insert(name->number);
  }
  return {};
}

Result<void> Sealer::State::create(KeyAction action, WrappedKey& key, const SecretBytes& secret,
                                   const std::vector<Recipient>& to) {
  key.root = options.root;
  key.created = now;
  Result<Hash> written = Error{Code::kConflict, ""};
  for (int attempt = 0; attempt < kNumberAttempts; ++attempt) {
    KHIPU_TRY_ASSIGN(key.name.number, next_number());
    KHIPU_TRY(key.wrap(secret, to));
    strays.insert(key.name.number);  // also when what follows fails: half a file may be there
    written = write_wrapped(*options.wrapped, key);
    if (written.ok() || written.error().code != Code::kConflict) break;
    KHIPU_TRY(note_strays());
  }
  KHIPU_TRY_ASSIGN(const Hash sha256, std::move(written));
  std::vector<Recipient> set;
  for (const WrappedKey::Copy& copy : key.copies) set.push_back(copy.recipient);
  KeyStatement statement;
  statement.action = action;
  statement.name = key.name.text();
  statement.key = key.commitment;
  statement.file_sha256 = sha256;
  statement.recipients = recipients_hash(std::move(set));
  KHIPU_TRY(log.apply(statement));
  due.push_back(std::move(statement));
  return {};
}

Result<uint32_t> Sealer::State::group_key() {
  if (session_key) return *session_key;
  if (recipients.empty()) return missing("recipient-NAME-1.pub");
  WrappedKey key;
  key.ring = newest_recipient;
  SecretBytes secret = SecretBytes::random(KeyTable::kKeySize);
  KHIPU_TRY(create(KeyAction::kDataKey, key, secret, recipients));
  KeyTable::name_key(key_text, 'd', {}, key.name.number);
  session.put(key_text, secret.writable());
  session_key = key.name.number;
  if (subject_sessions.empty()) session_began = now;
  return key.name.number;
}

Result<const Sealer::State::Pair*> Sealer::State::subject_pair(const SubjectName& subject) {
  const auto known = subjects.find(subject);
  if (known != subjects.end()) return &known->second;
  if (recipients.empty()) return missing("recipient-NAME-1.pub");
  KHIPU_TRY(check_subject(subject));
  const crypto::BoxKeyPair pair = crypto::BoxKeyPair::generate();
  WrappedKey key;
  key.name.kind = WrappedKind::kSubject;
  key.ring = newest_recipient;
  key.subject = subject;
  key.public_key = pair.public_key();
  KHIPU_TRY(create(KeyAction::kSubjectKey, key, pair.secret(), recipients));
  return &subjects.emplace(subject, Pair{key.name.number, pair.public_key()}).first->second;
}

Result<uint32_t> Sealer::State::subject_key(const SubjectName& subject) {
  const auto open = subject_sessions.find(subject);
  if (open != subject_sessions.end()) return open->second;
  if (subject_sessions.size() >= kOpenSubjectsMax) end_session();
  KHIPU_TRY_ASSIGN(const Pair* const pair, subject_pair(subject));
  WrappedKey key;
  key.ring = newest_recipient;
  key.subject = subject;
  key.subject_number = pair->number;
  SecretBytes secret = SecretBytes::random(KeyTable::kKeySize);
  KHIPU_TRY(create(KeyAction::kDataKey, key, secret, {Recipient{"subject", pair->number, pair->key}}));
  KeyTable::name_key(key_text, 'd', {}, key.name.number);
  session.put(key_text, secret.writable());
  if (subject_sessions.empty() && !session_key) session_began = now;
  subject_sessions.emplace(subject, key.name.number);
  return key.name.number;
}

void Sealer::State::end_session() {
  session.clear();
  session_key.reset();
  subject_sessions.clear();
}

void Sealer::end_session() { state_->end_session(); }

bool Sealer::end_session_when_over(TimeUs now) {
  const State& state = *state_;
  if (!state.session_key && state.subject_sessions.empty()) return false;
  // A clock that went back ends it as well: an hour means an hour.
  if (now >= state.session_began && now - state.session_began < state.options.session_us) return false;
  end_session();
  return true;
}

Result<void> Sealer::begin_batch(TimeUs now) {
  State& state = *state_;
  state.now = now;
  end_session_when_over(now);
  if (state.ring.token_day && epoch_day_of(now) > state.day) return state.step_to(epoch_day_of(now));
  return {};
}

// ---- values

Bytes Sealer::State::next_nonce() {
  if (nonces_left == 0) {
    crypto::random_fill(nonces);
    nonces_left = kNoncesPerDraw;
  }
  return Bytes(nonces).subspan(--nonces_left * kNonceSize, kNonceSize);
}

Result<void> Sealer::seal(const FieldPlace& place, Bytes plaintext, const SubjectName* subject, Buffer& to) {
  State& state = *state_;
  if (plaintext.size() > kPlaintextSizeMax) return Error{Code::kLimit, "a protected value is at most 64 MiB"};
  if (place.root != state.options.root) return Error{Code::kInvalid, "a protected value for another root"};
  KHIPU_TRY_ASSIGN(const uint32_t number, subject != nullptr ? state.subject_key(*subject) : state.group_key());
  KeyTable::name_key(state.key_text, 'f', place.name, number);
  Bytes key = state.session.find(state.key_text);
  if (key.empty()) {
    const std::string name = state.key_text;
    Hash derived = field_key(state.data_key(number), place.name);
    key = state.session.put(name, derived);
  }
  KHIPU_TRY(associated_data(place, state.newest_recipient, number, state.associated));
  const Bytes nonce = state.next_nonce();
  const size_t padded = padded_size(plaintext.size());
  const size_t from = to.size();
  to.resize(from + sealed_size(padded));  // zeroes: the padding
  uint8_t* out = to.data() + from;
  out[0] = kSealedMark;
  store_le(out + 1, state.newest_recipient);
  store_le(out + 3, number);
  std::memcpy(out + 7, nonce.data(), nonce.size());
  uint8_t* text = out + kSealedHeadSize;
  if (!plaintext.empty()) std::memcpy(text, plaintext.data(), plaintext.size());
  text[plaintext.size()] = 0x80;
  crypto::aead_seal(key, nonce, state.associated, {text, padded}, {text, padded + kTagSize});
  return {};
}

Result<void> Sealer::tokens(const FieldName& name, const IndexRule& rule, std::string_view text,
                            std::vector<Token>& to) {
  State& state = *state_;
  if (rule.index == codec::BlindIndex::kNone) return {};
  if (!state.ring.token_day) return missing(kTokenDayFileName);
  KHIPU_TRY(state.announce_day());
  KeyTable::name_key(state.key_text, 't', name, static_cast<uint64_t>(rule.index) << 32 | rule.size);
  Bytes key = state.token_keys.find(state.key_text);
  if (key.empty()) {
    Hash derived = index_key(state.ring.token_day->bytes.bytes(), name, rule);
    key = state.token_keys.put(state.key_text, derived);
  }
  terms_of_value(rule, text, state.terms);
  const size_t from = to.size();
  for (size_t i = 0; i < state.terms.size(); ++i) to.push_back(token_of(key, state.terms[i]));
  std::sort(to.begin() + static_cast<ptrdiff_t>(from), to.end());
  to.erase(std::unique(to.begin() + static_cast<ptrdiff_t>(from), to.end()), to.end());
  return {};
}

Result<Fingerprint> Sealer::fingerprint(const FieldName& name, std::string_view entity_id, codec::ValueKind kind,
                                        Bytes plaintext) const {
  State& state = *state_;
  if (!state.ring.fingerprint) return missing(kFingerprintFileName);
  const std::lock_guard guard(state.still_mutex);
  std::string& text = state.still_text;
  KeyTable::name_key(text, 'p', name, 0);
  Bytes key = state.still_keys.find(text);
  if (key.empty()) {
    Hash derived = fingerprint_key(state.ring.fingerprint->bytes.bytes(), name);
    key = state.still_keys.put(text, derived);
  }
  return fingerprint_of(key, entity_id, kind, plaintext);
}

Result<std::array<uint8_t, kDigestSize>> Sealer::digest(const FieldName& name, codec::ValueKind kind,
                                                        Bytes plaintext) const {
  State& state = *state_;
  if (state.ring.digests.empty()) return missing("digest-1.key");
  const crypto::Key& newest = state.ring.digests.back();
  const std::lock_guard guard(state.still_mutex);
  std::string& text = state.still_text;
  KeyTable::name_key(text, 'g', name, newest.version);
  Bytes key = state.still_keys.find(text);
  if (key.empty()) {
    Hash derived = digest_key(newest.bytes.bytes(), name);
    key = state.still_keys.put(text, derived);
  }
  return digest_bytes({static_cast<uint16_t>(newest.version), digest_of(key, kind, plaintext)});
}

// ---- the token chain

// `khipu keys rotate tokens` replaces the file while this one runs: the newer chain is taken up, never written over.
Result<void> Sealer::State::take_up_rotation() {
  auto opened = crypto::open_key_file(*options.key_side, kTokenDayFileName, crypto::KeyKind::kTokenDay);
  if (!opened.ok()) {
    return opened.error().code == Code::kNotFound ? missing(kTokenDayFileName) : std::move(opened).error();
  }
  const crypto::Key& held = *ring.token_day;
  KHIPU_TRY(check_origin(*opened, options.key_side->path(), held.name));
  const uint32_t its_day = epoch_day_of(opened->created);
  if (opened->version < held.version || (opened->version == held.version && its_day <= day)) return {};
  day = its_day;
  ring.token_day = std::move(*opened);
  token_keys.clear();
  return {};
}

// Searches go as far as meta says, not as far as a clock, and tell a root they lack by it: both are stated first.
Result<void> Sealer::State::announce_day() {
  const uint32_t version = ring.token_day->version;
  if (log.token_day() >= day && log.token_version() >= version) return {};
  KeyStatement statement{KeyAction::kTokenDay, "tokens/" + std::to_string(version), {}, {}, {}, {}, day};
  KHIPU_TRY(log.apply(statement));
  due.push_back(std::move(statement));
  return {};
}

Result<void> Sealer::State::step_to(uint32_t today) {
  if (today <= day) return {};
  KHIPU_TRY(take_up_rotation());
  if (today <= day) return {};
  if (today - day > kDaysAheadMax) {
    return Error{Code::kInvalid, "the clock is more than ten years ahead of " + std::string(kTokenDayFileName) +
                                     ": token keys only go forward, so this is refused; set the clock"};
  }
  crypto::Key next;
  next.kind = crypto::KeyKind::kTokenDay;
  next.name = ring.token_day->name;
  next.version = ring.token_day->version;
  next.created = static_cast<TimeUs>(today) * kDayUs;
  Hash key;
  std::copy_n(ring.token_day->bytes.bytes().begin(), key.size(), key.begin());
  for (uint32_t step = day + 1; step <= today; ++step) key = next_day_key(key, step);
  next.bytes = SecretBytes::copy_of(key);
  crypto::wipe(key);
  KHIPU_TRY_ASSIGN(const SecretBytes text, crypto::print_key(next));
  // Replaced before anything is made with it: what was made then can be derived again from what is on the disk.
  KHIPU_TRY(options.key_side->replace_file(kTokenDayFileName, text.bytes(), 0600));
  ring.token_day = std::move(next);
  token_keys.clear();
  day = today;
  return {};
}

uint32_t Sealer::epoch_day() const { return state_->day; }

bool Sealer::keyless() const { return state_->ring.empty() && state_->log.files().empty(); }

// ---- statements

std::vector<KeyStatement> Sealer::take_due() { return std::exchange(state_->due, {}); }

const KeyLog& Sealer::log() const { return state_->log; }

Result<void> Sealer::apply(const codec::Shred& statement) {
  State& state = *state_;
  KHIPU_TRY(state.log.apply(statement));
  std::vector<std::string> gone;
  for (const auto& [name, file] : state.log.files()) {
    if (file.state != KeyLog::State::kShredded) continue;
    gone.push_back(name);
    const uint32_t number = file.name.number;
    const auto is_it = [number](const auto& entry) { return entry.second == number; };
    const bool open =
        state.session_key == number || std::any_of(state.subject_sessions.begin(), state.subject_sessions.end(), is_it);
    const bool person =
        std::erase_if(state.subjects, [number](const auto& entry) { return entry.second.number == number; }) > 0;
    // Keys derived from it are wiped with it; with a person's pair goes the data key open for that person.
    if (open || person) state.end_session();
  }
  return state.unlink_all(gone);
}

Result<void> Sealer::apply(const KeyStatement& statement) {
  KHIPU_TRY(state_->log.apply(statement));
  if (statement.action != KeyAction::kRewrap) return {};
  return state_->unlink_all({statement.replaces});
}

}  // namespace khipu::protect

#include "engine/protect/key_admin.h"

#include <algorithm>
#include <charconv>

#include "engine/crypto/hash.h"
#include "engine/protect/derive.h"
#include "engine/protect/searcher.h"

namespace khipu::protect {
namespace {

using crypto::Key;
using crypto::KeyKind;

std::string file_of(const Key& key) { return key_file_name(key.kind, key.name, key.version); }

Result<std::string> put(os::Directory& directory, const Key& key) {
  KHIPU_TRY(at(directory.path(), crypto::create_key_file(directory, file_of(key), key)));
  return directory.path() + "/" + file_of(key);
}

Key fresh(KeyKind kind, const std::string& name, uint32_t version, TimeUs now) {
  Key key = crypto::generate_key(kind, name, now);
  key.version = version;
  return key;
}

// The readers' half: the one an interrupted run left, or a new one. Its file's path is added to `made` when it is new.
Result<Key> readers_half(os::Directory& directory, Key wanted, std::vector<std::string>& made) {
  KHIPU_TRY_ASSIGN(const std::optional<os::Entry> there, directory.stat(file_of(wanted)));
  if (there) return crypto::open_key_file(directory, there->name, wanted.kind);
  KHIPU_TRY_ASSIGN(std::string path, put(directory, wanted));
  made.push_back(std::move(path));
  return wanted;
}
Result<void> writers_half(os::Directory& directory, const Key& key, std::vector<std::string>& made) {
  KHIPU_TRY_ASSIGN(const std::optional<os::Entry> there, directory.stat(file_of(key)));
  if (there) return {};
  KHIPU_TRY_ASSIGN(std::string path, put(directory, key));
  made.push_back(std::move(path));
  return {};
}

Result<std::vector<std::string>> add_recipient(const RoleDirectories& roles, const std::string& name, uint32_t version,
                                               TimeUs now) {
  std::vector<std::string> made;
  KHIPU_TRY_ASSIGN(const Key decrypt, readers_half(*roles.decrypt, fresh(KeyKind::kDecrypt, name, version, now), made));
  KHIPU_TRY_ASSIGN(const Key recipient, crypto::recipient_of(decrypt));
  KHIPU_TRY(writers_half(*roles.writer, recipient, made));
  return made;
}

Result<std::vector<std::string>> add_digest(const RoleDirectories& roles, const std::string& name, uint32_t version,
                                            TimeUs now) {
  std::vector<std::string> made;
  KHIPU_TRY_ASSIGN(const Key digest, readers_half(*roles.search, fresh(KeyKind::kDigest, name, version, now), made));
  KHIPU_TRY(writers_half(*roles.writer, digest, made));
  return made;
}

Result<std::vector<std::string>> add_tokens(const RoleDirectories& roles, const std::string& name, uint32_t version,
                                            TimeUs now) {
  std::vector<std::string> made;
  KHIPU_TRY_ASSIGN(const Key root, readers_half(*roles.search, fresh(KeyKind::kTokenRoot, name, version, now), made));
  KHIPU_TRY_ASSIGN(const Key day, first_token_day(root));
  if (version == 1) {
    KHIPU_TRY(writers_half(*roles.writer, day, made));
    return made;
  }
  KHIPU_TRY_ASSIGN(const crypto::SecretBytes text, crypto::print_key(day));
  KHIPU_TRY(roles.writer->replace_file(kTokenDayFileName, text.bytes(), 0600));
  made.push_back(roles.writer->path() + "/" + std::string(kTokenDayFileName));
  return made;
}

void append_all(std::vector<std::string>& to, std::vector<std::string> more) {
  std::move(more.begin(), more.end(), std::back_inserter(to));
}

Result<uint32_t> next_version(uint32_t version) {
  if (version >= UINT16_MAX) return Error{Code::kLimit, "versions end at 65535"};
  return version + 1;
}

std::vector<Recipient> recipients_of(const WrappedKey& key) {
  std::vector<Recipient> recipients;
  for (const WrappedKey::Copy& copy : key.copies) recipients.push_back(copy.recipient);
  return recipients;
}

Result<crypto::SecretBytes> unwrap(const WrappedKey& key, const std::vector<crypto::BoxKeyPair>& pairs) {
  for (const crypto::BoxKeyPair& pair : pairs) {
    Result<crypto::SecretBytes> secret = key.unwrap(pair);
    if (secret.ok() || secret.error().code != Code::kForbidden) return secret;
  }
  return Error{Code::kForbidden, "none of the decrypt keys handed in opens it"};
}

// Above every generation of this number that is there or was committed.
uint32_t next_generation(const std::vector<os::Entry>& entries, const KeyLog& log, const WrappedName& name) {
  uint32_t newest = name.generation;
  const auto look = [&](const std::optional<WrappedName>& other) {
    if (other && other->kind == name.kind && other->number == name.number) newest = std::max(newest, other->generation);
  };
  for (const os::Entry& entry : entries) look(WrappedName::parse(entry.name));
  for (const auto& [text, file] : log.files()) look(file.name);
  return newest + 1;
}

}  // namespace

Result<void> check_recipient_name(std::string_view name) {
  const auto fine = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.'; };
  if (!name.empty() && name.size() <= 32 && name[0] >= 'a' && name[0] <= 'z' &&
      std::all_of(name.begin(), name.end(), fine) && name != "subject") {
    return {};
  }
  return Error{Code::kInvalid,
               "a recipient's name is a lower-case letter and up to 31 of a-z 0-9 _ . ('subject' is taken)"};
}

Result<void> make_rings(const RoleDirectories& roles, const std::string& origin,
                        const std::vector<std::string>& recipients, TimeUs now) {
  if (recipients.empty()) return Error{Code::kInvalid, "at least one recipient is wanted: nobody could read otherwise"};
  for (const std::string& name : recipients) KHIPU_TRY(check_recipient_name(name));
  KHIPU_TRY_ASSIGN(const WriterRing there, load_writer_ring(*roles.writer));
  const auto has = [&](const std::string& name) {
    return std::any_of(there.recipients.begin(), there.recipients.end(),
                       [&](const Key& key) { return key.name == name; });
  };
  if (there.token_day && there.fingerprint && !there.digests.empty() &&
      std::all_of(recipients.begin(), recipients.end(), has)) {
    return Error{Code::kConflict, roles.writer->path() +
                                      ": has keys for protected fields already; `khipu keys rotate` "
                                      "makes the next version"};
  }
  std::vector<std::string> made;
  if (!there.token_day) KHIPU_TRY(add_tokens(roles, origin, 1, now));
  if (there.digests.empty()) KHIPU_TRY(add_digest(roles, origin, 1, now));
  KHIPU_TRY(writers_half(*roles.writer, fresh(KeyKind::kFingerprint, origin, 1, now), made));
  for (const std::string& name : recipients) {
    if (!has(name)) KHIPU_TRY(add_recipient(roles, name, 1, now));
  }
  return {};
}

Result<std::vector<std::string>> rotate(const RoleDirectories& roles, RotateKind kind, TimeUs now) {
  KHIPU_TRY_ASSIGN(const WriterRing ring, load_writer_ring(*roles.writer));
  const Error nothing{Code::kNotFound, roles.writer->path() + ": has no such key; `khipu keys init` makes the first"};
  std::vector<std::string> made;
  switch (kind) {
    case RotateKind::kRecipients:
      if (ring.recipients.empty()) return nothing;
      for (const Key& key : ring.recipients) {
        KHIPU_TRY_ASSIGN(const uint32_t version, next_version(key.version));
        KHIPU_TRY_ASSIGN(std::vector<std::string> files, add_recipient(roles, key.name, version, now));
        append_all(made, std::move(files));
      }
      return made;
    case RotateKind::kDigest: {
      if (ring.digests.empty()) return nothing;
      KHIPU_TRY_ASSIGN(const uint32_t version, next_version(ring.digests.back().version));
      return add_digest(roles, ring.digests.back().name, version, now);
    }
    case RotateKind::kTokens: {
      if (!ring.token_day) return nothing;
      KHIPU_TRY_ASSIGN(const uint32_t version, next_version(ring.token_day->version));
      return add_tokens(roles, ring.token_day->name, version, std::max(now, ring.token_day->created));
    }
  }
  return nothing;
}

Result<uint32_t> session_number(std::string_view text) {
  uint32_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size() || number == 0) {
    return Error{Code::kInvalid, "a session is a number from 1, as in the name of its file in keys/"};
  }
  return number;
}

Result<std::vector<Recipient>> load_recipients(os::Directory& directory) {
  KHIPU_TRY_ASSIGN(const WriterRing ring, load_writer_ring(directory));
  std::vector<Recipient> recipients;
  for (const Key& key : ring.recipients) {
    KHIPU_TRY_ASSIGN(const crypto::BoxPublicKey bytes, crypto::box_public_key(key));
    recipients.push_back({key.name, key.version, bytes});
  }
  if (recipients.empty()) return Error{Code::kNotFound, directory.path() + ": holds no recipient key"};
  if (recipients.size() > kRecipientsMax) return Error{Code::kLimit, "more than 64 recipient keys"};
  return recipients;
}

Result<Rewrapped> rewrap(os::Directory& wrapped, const RootId& root, const KeyLog& log, const DecryptRing& ring,
                         const std::vector<Recipient>& recipients) {
  KHIPU_ASSERT(!recipients.empty());
  std::vector<crypto::BoxKeyPair> pairs;
  for (const Key& key : ring.keys) {
    KHIPU_TRY_ASSIGN(crypto::BoxKeyPair pair, crypto::box_key_pair(key));
    pairs.push_back(std::move(pair));
  }
  KHIPU_TRY_ASSIGN(const std::vector<os::Entry> entries, wrapped.list());
  const Hash wanted = recipients_hash(recipients);
  // An interrupted run's files are taken up, not made again.
  KHIPU_TRY_ASSIGN(const std::vector<codec::KeyStatement> made, adoptable(wrapped, root, log));
  const auto made_already = [&](const std::string& name) {
    return std::any_of(made.begin(), made.end(), [&](const codec::KeyStatement& statement) {
      return statement.replaces == name && statement.recipients == wanted;
    });
  };
  Rewrapped done;
  for (const auto& [name, file] : log.files()) {
    if (file.state != KeyLog::State::kCurrent) continue;
    if (file.recipients == wanted || made_already(name)) {
      ++done.as_wanted;
      continue;
    }
    KHIPU_TRY_ASSIGN(WrappedKey key, read_wrapped(wrapped, root, file.name, file.sha256, file.commitment));
    if (key.subject_number != 0) continue;
    KHIPU_TRY_ASSIGN(const crypto::SecretBytes secret, at("keys/" + name, unwrap(key, pairs)));
    key.name.generation = next_generation(entries, log, file.name);
    KHIPU_TRY(key.wrap(secret, recipients));
    KHIPU_ASSERT(key.commitment == file.commitment);
    KHIPU_TRY(write_wrapped(wrapped, key));
    done.files.push_back(key.name.text());
  }
  return done;
}

Result<std::vector<codec::KeyStatement>> adoptable(os::Directory& wrapped, const RootId& root, const KeyLog& log) {
  KHIPU_TRY_ASSIGN(const std::vector<os::Entry> entries, wrapped.list());
  std::map<uint32_t, codec::KeyStatement> newest;  // by number: of several unadopted generations the last
  std::map<uint32_t, uint32_t> generations;
  for (const os::Entry& entry : entries) {
    const std::optional<WrappedName> name = WrappedName::parse(entry.name);
    if (!name || log.file(entry.name) != nullptr) continue;
    const KeyLog::File* before = log.current(name->number);
    if (before == nullptr || before->state != KeyLog::State::kCurrent || before->name.kind != name->kind ||
        before->name.generation >= name->generation || generations[name->number] >= name->generation) {
      continue;
    }
    KHIPU_TRY_ASSIGN(const auto file, wrapped.open_file(entry.name, os::Mode::kRead));
    KHIPU_TRY_ASSIGN(const Buffer bytes, file->read_all(kWrappedFileSizeBytesMax));
    const Result<WrappedKey> key = parse_wrapped(bytes);
    // A crash may have left half of one; another key's commitment is somebody's mistake or worse. Neither is taken.
    if (!key.ok() || key->root != root || key->name != *name || key->commitment != before->commitment) continue;
    codec::KeyStatement statement;
    statement.action = codec::KeyAction::kRewrap;
    statement.name = entry.name;
    statement.key = key->commitment;
    statement.file_sha256 = crypto::sha256(bytes);
    statement.recipients = recipients_hash(recipients_of(*key));
    statement.replaces = before->name.text();
    newest[name->number] = std::move(statement);
    generations[name->number] = name->generation;
  }
  std::vector<codec::KeyStatement> statements;
  for (auto& [number, statement] : newest) statements.push_back(std::move(statement));
  return statements;
}

Result<uint64_t> sweep(os::Directory& wrapped, const KeyLog& log) {
  uint64_t gone = 0;
  for (const auto& [name, file] : log.files()) {
    if (file.state == KeyLog::State::kCurrent) continue;
    const Result<void> removed = wrapped.unlink(name);
    if (!removed.ok() && removed.error().code != Code::kNotFound) return removed.error();
    gone += removed.ok();
  }
  // What a re-wrap that was overtaken or cut short left.
  KHIPU_TRY_ASSIGN(const std::vector<os::Entry> entries, wrapped.list());
  for (const os::Entry& entry : entries) {
    const std::optional<WrappedName> name = WrappedName::parse(entry.name);
    const KeyLog::File* current = name ? log.current(name->number) : nullptr;
    if (current == nullptr || log.file(entry.name) != nullptr || name->generation > current->name.generation) continue;
    KHIPU_TRY(wrapped.unlink(entry.name));
    ++gone;
  }
  // Also when nothing went: an unlink before a crash may not be on the disk yet.
  KHIPU_TRY(wrapped.sync());
  return gone;
}

Result<std::vector<std::string>> files_of_session(const KeyLog& log, uint32_t number) {
  const KeyLog::File* file = log.current(number);
  if (file == nullptr || file->name.kind != WrappedKind::kData) {
    return Error{Code::kNotFound, "no session has number " + std::to_string(number)};
  }
  if (file->state == KeyLog::State::kShredded) {
    return Error{Code::kConflict, "session " + std::to_string(number) + " is shredded already"};
  }
  return std::vector<std::string>{file->name.text()};
}

Result<std::vector<std::string>> files_of_subject(os::Directory& wrapped, const RootId& root, const KeyLog& log,
                                                  const SubjectName& subject) {
  std::vector<std::string> files;
  bool pair = false;
  for (const auto& [name, file] : log.files()) {
    if (file.state != KeyLog::State::kCurrent) continue;
    KHIPU_TRY_ASSIGN(const WrappedKey key, read_wrapped(wrapped, root, file.name, file.sha256, file.commitment));
    if (key.subject != subject) continue;
    pair = pair || file.name.kind == WrappedKind::kSubject;
    files.push_back(name);
  }
  if (!pair) return Error{Code::kNotFound, "no keys of this data subject are there"};
  return files;
}

}  // namespace khipu::protect

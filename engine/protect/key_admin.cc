#include "engine/protect/key_admin.h"

#include <algorithm>
#include <charconv>
#include <set>

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

// The readers' folders belong to one log: shared, one key would open, or find, what two of them hold. Keys of searches
// bear the log's origin, and are made before any decrypt key.
Result<void> check_readers(const RoleDirectories& roles, const std::string& origin) {
  const std::string way_out = ". Keys of another log stay its own: give each log an --out of its own";
  bool searches = false;
  KHIPU_TRY_ASSIGN(const std::vector<os::Entry> search, roles.search->list());
  for (const os::Entry& entry : search) {
    const std::optional<KeyKind> kind = kind_of_file(entry.name);
    if (kind != KeyKind::kTokenRoot && kind != KeyKind::kDigest) continue;
    KHIPU_TRY_ASSIGN(const Key key, crypto::open_key_file(*roles.search, entry.name, *kind));
    if (Result<void> own = check_origin(key, roles.search->path(), origin); !own.ok()) {
      return Error{Code::kConflict, own.error().message + way_out};
    }
    searches = true;
  }
  if (searches) return {};
  KHIPU_TRY_ASSIGN(const WriterRing ring, load_writer_ring(*roles.writer));
  KHIPU_TRY_ASSIGN(const std::vector<os::Entry> decrypt, roles.decrypt->list());
  std::string stranger;
  for (const os::Entry& entry : decrypt) {
    if (kind_of_file(entry.name) != KeyKind::kDecrypt) continue;
    KHIPU_TRY_ASSIGN(const Key key, crypto::open_key_file(*roles.decrypt, entry.name, KeyKind::kDecrypt));
    KHIPU_TRY_ASSIGN(const Key half, crypto::recipient_of(key));
    const Bytes bytes = half.bytes.bytes();
    const auto is_it = [&](const Key& recipient) {
      const Bytes other = recipient.bytes.bytes();
      return recipient.name == half.name && recipient.version == half.version &&
             std::equal(other.begin(), other.end(), bytes.begin(), bytes.end());
    };
    if (std::any_of(ring.recipients.begin(), ring.recipients.end(), is_it)) return {};
    stranger = entry.name;
  }
  if (stranger.empty()) return {};
  return Error{Code::kConflict, roles.decrypt->path() + "/" + stranger + ": lies there without a search key of " +
                                    origin + ", and the writer has none of those decrypt keys' public halves" +
                                    way_out};
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

// The first that nobody committed or wrote to. Not the one behind the last: whoever may write here could leave none.
Result<uint32_t> next_generation(const std::set<std::string>& there, const KeyLog& log, WrappedName name) {
  while (name.generation < UINT32_MAX) {
    ++name.generation;
    if (log.file(name.text()) == nullptr && !there.contains(name.text())) return name.generation;
  }
  return Error{Code::kLimit, "no generations of keys/" + name.text() + " are left"};
}

// The person's files in this state, as far as they are what their statements say.
Result<SubjectFiles> files_in_state(os::Directory& wrapped, const RootId& root, const KeyLog& log,
                                    const SubjectName& subject, KeyLog::State state) {
  SubjectFiles found;
  for (const auto& [name, file] : log.files()) {
    if (file.state != state) continue;
    const Result<WrappedKey> key = read_wrapped(wrapped, root, file.name, file.sha256, file.commitment);
    if (key.ok()) {
      if (key->subject == subject) found.files.push_back(name);
      continue;
    }
    const Code code = key.error().code;
    if (code != Code::kCorrupt && code != Code::kNotFound && code != Code::kLimit && code != Code::kForbidden) {
      return key.error();
    }
    found.unreadable.push_back(name);
  }
  return found;
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
  KHIPU_TRY(check_origin(there, roles.writer->path(), origin));
  KHIPU_TRY(check_readers(roles, origin));
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

Result<std::vector<std::string>> rotate(const RoleDirectories& roles, const std::string& origin, RotateKind kind,
                                        TimeUs now, const std::vector<std::string>& names) {
  KHIPU_TRY_ASSIGN(const WriterRing ring, load_writer_ring(*roles.writer));
  KHIPU_TRY(check_origin(ring, roles.writer->path(), origin));
  if (ring.token_day) KHIPU_TRY(check_readers(roles, origin));
  const Error nothing{Code::kNotFound, roles.writer->path() + ": has no such key; `khipu keys init` makes the first"};
  std::vector<std::string> made;
  switch (kind) {
    case RotateKind::kRecipients:
      if (ring.recipients.empty()) return nothing;
      for (const std::string& name : names) {
        const auto is_it = [&](const Key& key) { return key.name == name; };
        if (std::any_of(ring.recipients.begin(), ring.recipients.end(), is_it)) continue;
        return Error{Code::kNotFound, roles.writer->path() + ": has no recipient " + name};
      }
      for (const Key& key : ring.recipients) {
        if (!names.empty() && std::find(names.begin(), names.end(), key.name) == names.end()) continue;
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
  std::set<std::string> there;
  for (const os::Entry& entry : entries) there.insert(entry.name);
  const Hash wanted = recipients_hash(recipients);
  Rewrapped done;
  done.list.root = root;
  for (const auto& [name, file] : log.files()) {
    if (file.state != KeyLog::State::kCurrent) continue;
    if (file.recipients == wanted) {
      ++done.as_wanted;
      continue;
    }
    Result<WrappedKey> key = read_wrapped(wrapped, root, file.name, file.sha256, file.commitment);
    if (key.ok() && key->subject_number != 0) continue;
    Result<crypto::SecretBytes> secret = key.ok() ? at("keys/" + name, unwrap(*key, pairs)) : std::move(key).error();
    // One file that nobody can open keeps none of the others from leaving a recipient behind.
    if (!secret.ok()) {
      if (secret.error().code == Code::kIo) return std::move(secret).error();
      done.left.push_back(std::move(secret).error());
      continue;
    }
    KHIPU_TRY_ASSIGN(key->name.generation, next_generation(there, log, file.name));
    KHIPU_TRY(key->wrap(*secret, recipients));
    KHIPU_ASSERT(key->commitment == file.commitment);
    KHIPU_TRY_ASSIGN(const Hash sha256, write_wrapped(wrapped, *key));
    done.list.files.emplace(key->name.text(), sha256);
  }
  if (done.list.files.empty() && !done.left.empty()) return std::move(done.left.front());
  return done;
}

Result<uint64_t> drop_shredded(os::Directory& wrapped, const KeyLog& log, RewrapList& list) {
  uint64_t gone = 0;
  for (auto file = list.files.begin(); file != list.files.end();) {
    const std::optional<WrappedName> name = WrappedName::parse(file->first);
    const KeyLog::File* const current = name ? log.current(name->number) : nullptr;
    if (current == nullptr || current->state != KeyLog::State::kShredded) {
      ++file;
      continue;
    }
    const Result<void> removed = wrapped.unlink(file->first);
    if (!removed.ok() && removed.error().code != Code::kNotFound) return removed.error();
    file = list.files.erase(file);
    ++gone;
  }
  if (gone > 0) KHIPU_TRY(wrapped.sync());
  return gone;
}

Result<uint64_t> bring(os::Directory& from, os::Directory& wrapped, const KeyLog& log, const RewrapList& list) {
  uint64_t copied = 0;
  for (const auto& [file_name, sha256] : list.files) {
    const std::optional<WrappedName> name = WrappedName::parse(file_name);
    const KeyLog::File* const current = name ? log.current(name->number) : nullptr;
    if (current == nullptr || current->state == KeyLog::State::kShredded) continue;
    const KeyLog::File* const stated = log.file(file_name);
    // Overtaken, or another file's name: adoptable() tells.
    if (stated != nullptr ? stated != current || stated->sha256 != sha256
                          : current->name.generation >= name->generation) {
      continue;
    }
    KHIPU_TRY_ASSIGN(const std::optional<os::Entry> there, wrapped.stat(file_name));
    if (there && (there->kind != os::EntryKind::kFile || stated != nullptr)) continue;
    if (there) {
      KHIPU_TRY_ASSIGN(const auto old, wrapped.open_file(file_name, os::Mode::kRead));
      const Result<Buffer> bytes = old->read_all(kWrappedFileSizeBytesMax);
      if (!bytes.ok()) continue;
      const Result<WrappedKey> key = parse_wrapped(*bytes);
      if (key.ok() || key.error().code != Code::kCorrupt) continue;
      KHIPU_TRY(wrapped.unlink(file_name));
    }
    auto source = from.open_file(file_name, os::Mode::kRead);
    if (!source.ok()) return std::move(source).error().at("listed");
    KHIPU_TRY_ASSIGN(const Buffer bytes, source.value()->read_all(kWrappedFileSizeBytesMax));
    if (crypto::sha256(bytes) != sha256) {
      return Error{Code::kCorrupt,
                   from.path() + "/" + file_name + ": not the file that was listed; nothing was adopted"};
    }
    const auto write = [&]() -> Result<void> {
      KHIPU_TRY_ASSIGN(const auto file, wrapped.open_file(file_name, os::Mode::kCreateNew));
      Result<void> written = file->write_at(0, bytes);
      if (written.ok()) written = file->sync();
      if (!written.ok()) (void)wrapped.unlink(file_name).ok();  // half of it, or nobody knows how much
      return written;
    };
    KHIPU_TRY(at("keys/" + file_name, write()));
    ++copied;
  }
  if (copied > 0) KHIPU_TRY(wrapped.sync());
  return copied;
}

Result<std::vector<codec::KeyStatement>> adoptable(os::Directory& wrapped, const RootId& root, const KeyLog& log,
                                                   const RewrapList& list) {
  if (list.root != root) return Error{Code::kConflict, "the list is of another log"};
  std::vector<codec::KeyStatement> statements;
  std::string others, lost;  // adopted before, and not these
  for (const auto& [file_name, sha256] : list.files) {
    const std::string where = "keys/" + file_name;
    const std::optional<WrappedName> name = WrappedName::parse(file_name);
    const KeyLog::File* before = name ? log.current(name->number) : nullptr;
    if (before == nullptr || before->name.kind != name->kind) {
      return Error{Code::kConflict, where + ": no KEY statement names the key it should hold"};
    }
    if (log.file(file_name) == before && before->state == KeyLog::State::kCurrent) {
      if (before->sha256 != sha256) others += " " + where;
      if (!read_wrapped(wrapped, root, *name, before->sha256, before->commitment).ok()) lost += " " + where;
      continue;
    }
    // Overtaken by another re-wrap, or destroyed since.
    if (before->state != KeyLog::State::kCurrent || before->name.generation >= name->generation) continue;
    const Error other{Code::kCorrupt, where + ": not the file that was listed; nothing was adopted"};
    auto file = wrapped.open_file(file_name, os::Mode::kRead);
    if (!file.ok() && file.error().code == Code::kNotFound) {
      return Error{Code::kNotFound,
                   where + ": listed and not there: copy it from where it was made (--from DIR); nothing was adopted"};
    }
    if (!file.ok()) return std::move(file).error();
    const Result<Buffer> bytes = file.value()->read_all(kWrappedFileSizeBytesMax);
    if (!bytes.ok() && bytes.error().code != Code::kLimit) return bytes.error();
    if (!bytes.ok() || crypto::sha256(*bytes) != sha256) return other;
    const Result<WrappedKey> key = parse_wrapped(*bytes);
    if (!key.ok() || key->root != root || key->name != *name || key->commitment != before->commitment) return other;
    // Whoever copied it here may not have: and the file it replaces goes once this is stated.
    if (Result<void> synced = file.value()->sync(); !synced.ok()) {
      // A second sync would say yes and do nothing: the file must be written again.
      const bool gone = wrapped.unlink(file_name).ok();
      return std::move(synced).error().at(
          where + (gone ? ": deleted, copy it again" : ": delete it and copy it again") + "; nothing was adopted");
    }
    codec::KeyStatement statement;
    statement.action = codec::KeyAction::kRewrap;
    statement.name = file_name;
    statement.key = key->commitment;
    statement.file_sha256 = sha256;
    statement.recipients = recipients_hash(recipients_of(*key));
    statement.replaces = before->name.text();
    statements.push_back(std::move(statement));
  }
  if (!others.empty() || !lost.empty()) {
    std::string why;
    if (!lost.empty()) {
      why = "adopted before, and gone or changed since:" + lost +
            ": take away what lies there and adopt the list that they were adopted by again, --from a folder with its "
            "files; ";
    }
    if (!others.empty()) {
      why +=
          "adopted before from another list:" + others + ": this one was made on an older copy, make it on a new one; ";
    }
    return Error{lost.empty() ? Code::kConflict : Code::kCorrupt, why + "nothing was adopted"};
  }
  if (!statements.empty()) KHIPU_TRY(wrapped.sync());
  return statements;
}

Result<Swept> sweep(os::Directory& wrapped, const KeyLog& log) {
  Swept swept;
  std::optional<Error> failed;  // the first; the rest is tried all the same
  const auto remove = [&](const std::string& name) {
    const Result<void> removed = wrapped.unlink(name);
    swept.gone += removed.ok();
    if (removed.ok() || removed.error().code == Code::kNotFound) return;
    if (removed.error().code == Code::kForbidden) {
      swept.left.push_back(name);
    } else if (!failed) {
      failed = removed.error();
    }
  };
  for (const auto& [name, file] : log.files()) {
    if (file.state != KeyLog::State::kCurrent) remove(name);
  }
  // What a re-wrap that was overtaken or cut short left.
  KHIPU_TRY_ASSIGN(const std::vector<os::Entry> entries, wrapped.list());
  for (const os::Entry& entry : entries) {
    const std::optional<WrappedName> name = WrappedName::parse(entry.name);
    const KeyLog::File* current = name ? log.current(name->number) : nullptr;
    if (current == nullptr || log.file(entry.name) != nullptr) continue;
    // Of a shredded key nothing may stay: what nobody adopted yet holds it all the same.
    if (current->state == KeyLog::State::kCurrent && name->generation > current->name.generation) continue;
    remove(entry.name);
  }
  // Also when nothing went: an unlink before a crash may not be on the disk yet.
  KHIPU_TRY(wrapped.sync());
  if (failed) return *failed;
  return swept;
}

Result<std::vector<std::string>> files_of_session(const KeyLog& log, uint32_t number) {
  const KeyLog::File* file = log.current(number);
  if (file != nullptr && file->name.kind == WrappedKind::kData) return files_of_key(log, number);
  return Error{Code::kNotFound, "no session has number " + std::to_string(number)};
}

Result<std::vector<std::string>> files_of_key(const KeyLog& log, uint32_t number) {
  const KeyLog::File* file = log.current(number);
  if (file == nullptr) return Error{Code::kNotFound, "no key has number " + std::to_string(number)};
  if (file->state == KeyLog::State::kShredded) {
    return Error{Code::kConflict, "key " + std::to_string(number) + " is shredded already"};
  }
  return std::vector<std::string>{file->name.text()};
}

Result<SubjectFiles> files_of_subject(os::Directory& wrapped, const RootId& root, const KeyLog& log,
                                      const SubjectName& subject) {
  KHIPU_TRY_ASSIGN(SubjectFiles found, files_in_state(wrapped, root, log, subject, KeyLog::State::kCurrent));
  const auto is_pair = [&](const std::string& name) { return log.file(name)->name.kind == WrappedKind::kSubject; };
  if (std::any_of(found.files.begin(), found.files.end(), is_pair)) return found;
  std::string why = "no keys of this data subject are there";
  if (!found.unreadable.empty()) {
    why += "; but nobody can tell whose these are, which were changed or are gone (khipu verify):";
    for (const std::string& name : found.unreadable) why += " keys/" + name;
  }
  return Error{Code::kNotFound, why};
}

Result<std::vector<std::string>> shredded_files_of_subject(os::Directory& wrapped, const RootId& root,
                                                           const KeyLog& log, const SubjectName& subject) {
  KHIPU_TRY_ASSIGN(SubjectFiles found, files_in_state(wrapped, root, log, subject, KeyLog::State::kShredded));
  return std::move(found.files);
}

}  // namespace khipu::protect

// What an operator does with keys: makes the roles' key files, rotates them, seals data keys to new recipients,
// destroys them. Each step leaves something sound when it is the last one that happens. Not here: arguments and
// printing (engine/cli), the statements' way into meta/ (engine/writer).
#pragma once

#include <string>
#include <vector>

#include "engine/codec/statement.h"
#include "engine/protect/key_log.h"
#include "engine/protect/key_ring.h"
#include "engine/protect/rewrap_list.h"

namespace khipu::protect {

// Where each role's files go. The writer's last, so that nothing is ever sealed or searched for with a key whose other
// half was not safe on a disk before.
struct RoleDirectories {
  os::Directory* writer = nullptr;
  os::Directory* search = nullptr;
  os::Directory* decrypt = nullptr;
};

// First keys: of each recipient a decrypt key and its public half; token root and today's key; fingerprint and digest
// key. What is there already (an interrupted run's, or to add a recipient) stays; kConflict when all is, and when the
// folders hold keys of another log. `origin` names keys of no recipient.
Result<void> make_rings(const RoleDirectories& roles, const std::string& origin,
                        const std::vector<std::string>& recipients, TimeUs now);

enum class RotateKind : uint8_t { kRecipients, kDigest, kTokens };
// The next version, which the writer uses from its next start on; old versions stay. kConflict: a folder holds keys of
// another log than that of `origin`. kRecipients: of these names, or with none of each that the writer has. kTokens:
// the chain goes on from a new root; the search role needs both.
Result<std::vector<std::string>> rotate(const RoleDirectories& roles, const std::string& origin, RotateKind kind,
                                        TimeUs now, const std::vector<std::string>& names = {});

// A recipient's name: [a-z][a-z0-9_.]{0,31}.
Result<void> check_recipient_name(std::string_view name);

// Seals every current key in ROOT/keys that is not sealed to exactly these recipients to them, as the next free
// generation of its file. What lies there already is never taken for its own: whoever may write there may have put it
// there. Nothing is committed and nothing deleted: that is for whoever adopts the list. Data keys of subjects are
// sealed to the subject's pair and stay as they are.
struct Rewrapped {
  RewrapList list;          // the files it made
  uint64_t as_wanted = 0;   // that were sealed to them already, by their statements
  std::vector<Error> left;  // of files that are gone or changed, or that no key of the ring opens; each names its file
};
// An Error when nothing could be sealed anew for such a file, and of the disk.
Result<Rewrapped> rewrap(os::Directory& wrapped, const RootId& root, const KeyLog& log, const DecryptRing& ring,
                         const std::vector<Recipient>& recipients);

// Deletes what a re-wrap made of keys that were shredded while it ran, and takes it out of the list. `log`: read after
// the files were made. A SHRED that is not in it deletes them itself: it comes before its sweep.
Result<uint64_t> drop_shredded(os::Directory& wrapped, const KeyLog& log, RewrapList& list);

// Copies from a folder into ROOT/keys what the list names and is not there, each as it was listed, synced, never over
// another file: in its way may only be half of one that an earlier copying was killed at. What a later one or a SHRED
// has overtaken is not copied. How many. kCorrupt: the folder's is not as listed.
Result<uint64_t> bring(os::Directory& from, os::Directory& wrapped, const KeyLog& log, const RewrapList& list);

// KEY statements for the files of the list that nobody committed yet: same key, later generation. None for those that a
// later one or a SHRED has overtaken, or that were adopted before and are there. Otherwise nothing is taken at all:
// kConflict when another file was adopted under a name that is listed, kCorrupt or kNotFound when one is not there as
// it was listed, or, adopted before, is not there any more. The files and the directory are synced when it returns: a
// statement about a file that is not on the disk, and the one it replaces gone, would lose the key. Once they are
// committed, the files they replace may go (sweep()).
Result<std::vector<codec::KeyStatement>> adoptable(os::Directory& wrapped, const RootId& root, const KeyLog& log,
                                                   const RewrapList& list);

// Unlinks what was shredded or replaced, and what overtaken re-wraps left (of a shredded key all there is), and syncs
// the directory. What cannot be unlinked (a folder under such a name, rights) is named, and hinders nothing else.
struct Swept {
  uint64_t gone = 0;
  std::vector<std::string> left;
};
Result<Swept> sweep(os::Directory& wrapped, const KeyLog& log);

// Files whose loss makes all values of a session, or of a person, unreadable. kNotFound when nothing is there.
Result<std::vector<std::string>> files_of_session(const KeyLog& log, uint32_t number);
// The file of this number, of whatever kind, lost or not: whose it was is for whoever asks to know.
Result<std::vector<std::string>> files_of_key(const KeyLog& log, uint32_t number);
struct SubjectFiles {
  std::vector<std::string> files;
  std::vector<std::string> unreadable;  // gone or changed: nobody can tell whose they are
};
Result<SubjectFiles> files_of_subject(os::Directory& wrapped, const RootId& root, const KeyLog& log,
                                      const SubjectName& subject);
// Shredded by a statement and not deleted yet.
Result<std::vector<std::string>> shredded_files_of_subject(os::Directory& wrapped, const RootId& root,
                                                           const KeyLog& log, const SubjectName& subject);

// "12" and nothing else.
Result<uint32_t> session_number(std::string_view text);
// The newest recipient key of each name in a directory; kNotFound when there is none. Files that lie there, no more:
// see check_recipients().
Result<std::vector<Recipient>> load_recipients(os::Directory& directory);

// What people compare a recipient's key by, on its holder's screen and here: 32 hex digits of its SHA-256.
std::string recipient_fingerprint(const crypto::BoxPublicKey& key);
// "auditors/2=FINGERPRINT", as `named` and an operator have it.
std::string recipient_label(const Recipient& recipient);
// Were exactly these recipients named? kInvalid else, saying which were not, or were and are not there.
Result<void> check_recipients(const std::vector<Recipient>& recipients, const std::vector<std::string>& named);

}  // namespace khipu::protect

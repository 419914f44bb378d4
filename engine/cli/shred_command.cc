// `khipu shred`: destroys the keys of a session or of a person, and says so in meta/.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "engine/base/utf8.h"
#include "engine/cli/commands.h"
#include "engine/cli/key_access.h"
#include "engine/cli/output.h"
#include "engine/cli/root.h"
#include "engine/import/parked_files.h"
#include "engine/os/process.h"

namespace khipu::cli {
namespace {

class ShredCommand final : public Command {
 public:
  std::string name() const override { return "shred"; }
  std::string summary() const override { return "Destroy the keys of a session or a person, for ever"; }
  std::string details() const override {
    return "What was sealed under them can be read by nobody any more; the records, and what they prove, stay. A "
           "SHRED\n"
           "statement with the reference is committed first, then the key files are deleted. Not undone by anything\n"
           "but a copy of ROOT/keys together with a decrypt key: backups of ROOT/keys must let go of them, too.\n"
           "Tokens, digests and fingerprints stay: whoever holds a search key can still confirm a guess.\n"
           "--subject reaches fields with the rule `subject` alone (khipu types add): the person's other fields, "
           "sealed "
           "or\n"
           "not, the content of events about the person and custom columns lie under the session's keys and stay "
           "readable.\n"
           "--key N is for a person's pair that is gone or was changed, so that nobody can tell whose it was: khipu "
           "verify\n"
           "names its file, subject-N-...\n"
           "Sealed lines in ROOT/dlq may hold the same values, and nobody here can tell: mend them first (khipu dlq), "
           "or\n"
           "say --dlq destroy, which takes all of them out, or --dlq keep.\n"
           "Stop `khipu serve` first: it holds the log. Refused while a hold is set. An interrupted run is finished by "
           "the\n"
           "next one, or by the next start of the writer (the key files, not the lines of dlq/: of these the next run "
           "of "
           "the\n"
           "same words destroys what the statement names, and nothing that was set aside since).\n\n"
           "Examples:\n  khipu shred /srv/audit --subject user:u-1001 --reference 'erasure request 2026/44'\n"
           "  khipu shred /srv/audit --session 12 --reference 'order of 2026-06-01'\n\n"
           "Exit codes: 0 done, 2 done, but a file named could not be deleted, 3 refused or not there.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "the log's directory");
    arguments.text("--subject", subject_, "TYPE:ID", "the person whose fields have keys of their own");
    arguments.text("--session", session_, "N", "number of a data key, as in the name of its file in ROOT/keys");
    arguments.text("--key", key_, "N", "number of any key, also of a person's pair that is lost or changed");
    arguments.text("--reference", reference_, "TEXT", "why, 1 to 1,024 bytes; wanted");
    arguments.choice("--dlq", dlq_, {"destroy", "keep"}, "the sealed lines in ROOT/dlq; wanted when there are any");
    arguments.text("--keys", keys_, "DIR", kKeysHelp);
    arguments.text("--network-filesystem", network_, "KIND", kNetworkHelp);
  }
  Result<Exit> run(Output& output) override {
    os::disable_core_dumps();
    if (int{subject_.empty()} + int{session_.empty()} + int{key_.empty()} != 2) {
      return Error{Code::kInvalid, "one of --subject TYPE:ID, --session N and --key N is wanted"};
    }
    if (reference_.empty() || reference_.size() > 1024 || !valid_utf8(as_bytes(reference_))) {
      return Error{Code::kInvalid, "--reference TEXT is wanted: why, 1 to 1,024 bytes of UTF-8"};
    }
    KHIPU_TRY_ASSIGN(const KeysOfRoot seen, keys_of_root(root_));
    KHIPU_TRY_ASSIGN(const std::vector<std::string> here, files_here(seen));
    KHIPU_TRY_ASSIGN(const std::vector<os::Entry> before, seen.wrapped->list());
    KHIPU_TRY_ASSIGN(const std::unique_ptr<WriterAccess> access,
                     WriterAccess::open(root_, keys_path(root_, keys_), "shred", network_));
    if (access->running()) return Error{Code::kLocked, "stop `khipu serve` first: it holds this log"};
    KHIPU_TRY_ASSIGN(KeysOfRoot keys, keys_of_root(root_));
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> root, os::open_directory(root_));
    KHIPU_TRY_ASSIGN(const import::SealedLines sealed, import::sealed_lines(*root));
    const uint64_t lines = sealed.entries + sealed.keys + sealed.unfinished;
    codec::Shred shred;
    shred.reference = reference_;
    shred.by = WriterAccess::scope();
    shred.scope = !session_.empty() ? "session " + session_ : !key_.empty() ? "key " + key_ : "subject";
    std::optional<CommitNumber> commit;
    bool destroys = lines > 0 && dlq_ == "destroy";
    std::set<std::string> left;  // keys of sealed lines that an earlier statement destroys, and that are there
    Result<protect::SubjectFiles> files = this->files(keys);
    if (files.ok()) {
      if (lines > 0 && dlq_.empty()) {
        return Error{Code::kConflict, std::to_string(sealed.entries) +
                                          " sealed lines in dlq/ may hold what is to be shredded: mend them and remove "
                                          "their files (khipu dlq), or say --dlq destroy or --dlq keep"};
      }
      if (!sealed.strangers.empty() && dlq_ != "keep") {
        return Error{Code::kConflict, "dlq/" + printable(sealed.strangers.front()) +
                                          " is no file, and what lies in it nobody here can tell: move what is no file "
                                          "out of dlq/, or say --dlq keep"};
      }
      if (destroys) {
        if (sealed.ids.size() > kStatedKeysMax) {
          return Error{Code::kLimit, "dlq/ holds lines under " + std::to_string(sealed.ids.size()) +
                                         " keys, and a statement names up to " + std::to_string(kStatedKeysMax) +
                                         ": mend some and remove their files (khipu dlq)"};
        }
        shred.scope += " and " + std::to_string(sealed.entries) + " sealed lines of dlq/" + std::string(kUnderKeys);
        for (const std::string& id : sealed.ids) shred.scope += " " + id;
      }
      shred.files = std::move(files->files);
      KHIPU_TRY_ASSIGN(commit, access->writer()->append_and_publish(shred));
      KHIPU_TRY(keys.log.apply(shred));
      for (const std::string& name : files->unreadable) {
        output.note("keys/" + printable(name) + " is not what it was or is gone: nobody can tell whose key it held");
      }
    } else {
      // Nothing to state. But is there something left that an interrupted run stated? Of dlq/ no more than what it
      // named: what was set aside since is in no statement.
      left = left_of_stated(keys, shred, sealed.ids);
      if (!left.empty() && dlq_.empty()) {
        return Error{Code::kConflict,
                     "sealed lines that an earlier SHRED of this reference destroys are still in dlq/, "
                     "under " +
                         std::to_string(left.size()) + " keys: say --dlq destroy"};
      }
      destroys = !left.empty() && dlq_ == "destroy";
      if (destroys && !keys.holds.empty()) {
        return Error{Code::kConflict, "hold \"" + printable(*keys.holds.begin()) + "\" is set: it forbids shredding"};
      }
      if (!destroys && !stated(keys, here)) return left_nothing(keys, std::move(files).error());
      if (sealed.ids.size() > left.size()) {
        output.note("sealed lines in dlq/ that no SHRED of this reference names: they stay");
      }
    }
    uint64_t parked = 0;
    if (destroys) {
      // While the lock is held.
      KHIPU_TRY_ASSIGN(parked, import::destroy_sealed(*root, commit ? nullptr : &left));
    }
    KHIPU_TRY_ASSIGN(const protect::Swept swept, protect::sweep(*keys.wrapped, keys.log));
    KHIPU_TRY(access->close());
    KHIPU_TRY_ASSIGN(const uint64_t gone, count_gone(*keys.wrapped, before));
    if (output.json()) {
      nlohmann::ordered_json document = {{"schema", "khipu.shred/v1"}, {"commit", nullptr}};
      if (commit) document["commit"] = commit->value;
      document["files"] = shred.files;
      document["deleted"] = gone;
      document["dlq_lines"] = parked;
      output.document(document);
    } else {
      output.line(commit ? "shredded in commit " + std::to_string(commit->value) + ": " +
                               std::to_string(shred.files.size()) + " keys, " + std::to_string(gone) + " files deleted"
                         : "stated by an earlier run, finished now: " + std::to_string(gone) + " files deleted");
      if (destroys) output.line("and " + std::to_string(parked) + " sealed lines of dlq/");
      if (!subject_.empty()) {
        output.line(
            "still readable: the person's fields without the rule subject, content of events, custom columns, lines "
            "of dlq/ that are not sealed");
      }
    }
    return tell_left(output, swept.left);
  }

 private:
  Result<protect::SubjectName> subject() const {
    const size_t colon = subject_.find(':');
    if (colon == std::string::npos) return Error{Code::kInvalid, "--subject is TYPE:ID, as in user:u-1001"};
    const protect::SubjectName name{subject_.substr(0, colon), subject_.substr(colon + 1)};
    KHIPU_TRY(protect::check_subject(name));
    return name;
  }

  // What is to be shredded; kNotFound or kConflict when nothing is left to be.
  Result<protect::SubjectFiles> files(const KeysOfRoot& keys) const {
    if (!session_.empty()) {
      KHIPU_TRY_ASSIGN(const uint32_t number, protect::session_number(session_));
      protect::SubjectFiles found;
      KHIPU_TRY_ASSIGN(found.files, protect::files_of_session(keys.log, number));
      return found;
    }
    if (!key_.empty()) {
      KHIPU_TRY_ASSIGN(const uint32_t number, protect::session_number(key_));
      protect::SubjectFiles found;
      KHIPU_TRY_ASSIGN(found.files, protect::files_of_key(keys.log, number));
      return found;
    }
    KHIPU_TRY_ASSIGN(const protect::SubjectName name, subject());
    return protect::files_of_subject(*keys.wrapped, keys.root, keys.log, name);
  }

  // What of it lies in keys/, shredded or not: the writer deletes what is shredded as soon as it opens the log.
  Result<std::vector<std::string>> files_here(const KeysOfRoot& keys) const {
    std::vector<std::string> here;
    if (!subject_.empty()) {
      KHIPU_TRY_ASSIGN(const protect::SubjectName name, subject());
      KHIPU_TRY_ASSIGN(here, protect::shredded_files_of_subject(*keys.wrapped, keys.root, keys.log, name));
      const Result<protect::SubjectFiles> current = protect::files_of_subject(*keys.wrapped, keys.root, keys.log, name);
      if (current.ok()) here.insert(here.end(), current->files.begin(), current->files.end());
      return here;
    }
    KHIPU_TRY_ASSIGN(const uint32_t number, protect::session_number(session_.empty() ? key_ : session_));
    KHIPU_TRY_ASSIGN(const std::vector<os::Entry> entries, keys.wrapped->list());
    for (const os::Entry& entry : entries) {
      const std::optional<protect::WrappedName> name = protect::WrappedName::parse(entry.name);
      const bool counts = name && (!key_.empty() || name->kind == protect::WrappedKind::kData);
      if (counts && name->number == number) here.push_back(entry.name);
    }
    return here;
  }

  static bool stated(const KeysOfRoot& keys, const std::vector<std::string>& here) {
    const auto shredded = [&](const std::string& name) {
      const protect::KeyLog::File* const file = keys.log.file(name);
      return file != nullptr && file->state == protect::KeyLog::State::kShredded;
    };
    return std::any_of(here.begin(), here.end(), shredded);
  }
  // Whose keys were shredded no statement says: whoever asks must not be told more than is known.
  Error left_nothing(const KeysOfRoot& keys, Error error) const {
    const auto same = [&](const codec::Shred& shred) {
      return shred.reference == reference_ && shred.scope.starts_with("subject");
    };
    const auto found = std::find_if(keys.shreds.begin(), keys.shreds.end(), same);
    if (error.code != Code::kNotFound || subject_.empty() || found == keys.shreds.end()) return error;
    error.message += "; a SHRED of " + std::to_string(found->files.size()) +
                     " keys of a person was committed under this reference: if that was this one, all is done";
    return error;
  }

  // Of the keys in dlq/ (short ids) those that a statement of this scope and reference names as destroyed.
  static std::set<std::string> left_of_stated(const KeysOfRoot& keys, const codec::Shred& wanted,
                                              const std::set<std::string>& there) {
    std::set<std::string> left;
    for (const codec::Shred& shred : keys.shreds) {
      if (shred.reference != wanted.reference || !shred.scope.starts_with(wanted.scope + " and ")) continue;
      const size_t from = shred.scope.find(kUnderKeys);
      if (from == std::string::npos) continue;
      std::istringstream words(shred.scope.substr(from + kUnderKeys.size()));
      for (std::string id; words >> id;) {
        if (there.contains(id)) left.insert(id);
      }
    }
    return left;
  }

  static constexpr std::string_view kUnderKeys = " under keys";
  static constexpr size_t kStatedKeysMax = 10000;
  std::string root_, subject_, session_, key_, reference_, dlq_, keys_, network_;
};

}  // namespace

std::unique_ptr<Command> make_shred_command() { return std::make_unique<ShredCommand>(); }

}  // namespace khipu::cli

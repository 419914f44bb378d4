// `khipu keys list|export`: the key files of a log's writer, checked as the writer checks them, and the half to hand
// out. No secret is shown.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/base/time.h"
#include "engine/cli/commands.h"
#include "engine/cli/key_access.h"
#include "engine/cli/output.h"
#include "engine/cli/root.h"
#include "engine/crypto/key_file.h"
#include "engine/os/process.h"
#include "engine/protect/key_ring.h"
#include "engine/tree/note.h"

namespace khipu::cli {
namespace {

struct KeyFile {
  std::string name;
  crypto::KeyKind kind;
};

// The writer's three files, there or not, then the keys of roles by name. Where a folder holds roles' keys and none of
// the three it is a reader's, which needs none.
Result<std::vector<KeyFile>> files_of(os::Directory& keys) {
  std::vector<KeyFile> files;
  for (const auto& [name, kind] : {std::pair(crypto::kSigningKeyFileName, crypto::KeyKind::kSigning),
                                   std::pair(crypto::kIndexKeyFileName, crypto::KeyKind::kIndex),
                                   std::pair(crypto::kVerifierKeyFileName, crypto::KeyKind::kVerifier)}) {
    files.push_back({std::string(name), kind});
  }
  const size_t own = files.size();
  bool any_own = false;
  KHIPU_TRY_ASSIGN(std::vector<os::Entry> entries, keys.list());
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  for (const os::Entry& entry : entries) {
    any_own |= std::any_of(files.begin(), files.begin() + static_cast<ptrdiff_t>(own),
                           [&](const KeyFile& file) { return file.name == entry.name; });
    if (const auto kind = protect::kind_of_file(entry.name)) files.push_back({entry.name, *kind});
  }
  if (!any_own && files.size() > own) files.erase(files.begin(), files.begin() + static_cast<ptrdiff_t>(own));
  return files;
}

Result<tree::VerifierKey> verifier_key(const crypto::Key& verifier) {
  KHIPU_TRY_ASSIGN(const crypto::PublicKey key, crypto::public_key(verifier));
  return tree::VerifierKey{verifier.name, tree::KeyType::kEd25519, key};
}

class KeysList final : public Command {
 public:
  std::string name() const override { return "keys list"; }
  std::string summary() const override { return "Check key files and show what they are"; }
  std::string details() const override {
    return "Every file is checked as the writer checks it: owner, rights, one link, form, check digits. Shows kind,\n"
           "name, version, creation, and the vkey of what signs; never a secret. The keys of roles that protected "
           "fields have\n"
           "are listed where they lie: the writer's in the log's keys folder, a reader's with --keys DIR.\n\n"
           "Examples:\n  khipu keys list /srv/audit\n  khipu keys list /srv/audit --keys ./readers/decrypt\n\n"
           "Exit codes: 0 all sound, 1 one is missing, refused (also as another log's), or a reader's among the "
           "writer's, 3 no "
           "such\nfolder.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "the log's directory");
    arguments.text("--keys", keys_, "DIR", kKeysHelp);
  }
  Result<Exit> run(Output& output) override {
    os::disable_core_dumps();
    KHIPU_TRY_ASSIGN(const auto keys, os::open_directory(keys_path(root_, keys_)));
    KHIPU_TRY_ASSIGN(const std::vector<KeyFile> files, files_of(*keys));
    const Result<KeysOfRoot> log = keys_of_root(root_);  // a folder of keys may be looked at where no log is
    KHIPU_TRY_ASSIGN(const std::optional<os::Entry> signing, keys->stat(crypto::kSigningKeyFileName));
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    bool sound = true;
    for (const KeyFile& file : files) {
      const std::string kind(crypto::key_kind_name(file.kind));
      const Result<crypto::Key> key = crypto::open_key_file(*keys, file.name, file.kind);
      std::string why = key.ok() ? "" : key.error().message;
      if (key.ok() && log.ok()) {
        const Result<void> own = protect::check_origin(*key, keys->path(), log->origin);
        if (!own.ok()) why = own.error().message;
      }
      if (!why.empty()) {
        sound = false;
        if (!output.json()) output.line(printable(file.name) + "  REFUSED: " + printable(why));
        list.push_back({{"file", file.name}, {"kind", kind}, {"refused", why}});
        continue;
      }
      nlohmann::ordered_json entry = {{"file", file.name},
                                      {"kind", kind},
                                      {"name", key->name},
                                      {"version", key->version},
                                      {"created", format_rfc3339(key->created)}};
      std::string line = printable(file.name) + "  " + kind + "  " + printable(key->name) + "  version " +
                         std::to_string(key->version) + "  made " + format_rfc3339(key->created);
      if (file.kind == crypto::KeyKind::kSigning || file.kind == crypto::KeyKind::kVerifier) {
        crypto::Key verifier;
        if (file.kind == crypto::KeyKind::kSigning) {
          KHIPU_TRY_ASSIGN(verifier, crypto::verifier_of(*key));
        }
        KHIPU_TRY_ASSIGN(const tree::VerifierKey vkey,
                         verifier_key(file.kind == crypto::KeyKind::kSigning ? verifier : *key));
        entry["vkey"] = vkey.text();
        line += "  vkey " + vkey.text();
      }
      KHIPU_TRY_ASSIGN(const std::string recipient, recipient_text_of(*key));
      if (!recipient.empty()) {
        entry["recipient"] = recipient;
        line += "  " + printable(recipient);
      }
      if (signing && (file.kind == crypto::KeyKind::kDecrypt || file.kind == crypto::KeyKind::kTokenRoot)) {
        sound = false;
        const std::string misplaced =
            "a reader's key beside the writer's signing key: whoever takes this folder writes and reads; move it away";
        entry["misplaced"] = misplaced;
        line += "  MISPLACED: " + misplaced;
      }
      if (!output.json()) output.line(line);
      list.push_back(std::move(entry));
    }
    if (output.json()) output.document({{"schema", "khipu.keys/v1"}, {"keys", std::move(list)}});
    return sound ? Exit::kOk : Exit::kFinding;
  }

 private:
  std::string root_, keys_;
};

class KeysExport final : public Command {
 public:
  std::string name() const override { return "keys export"; }
  std::string summary() const override { return "Print the verifier key to hand out"; }
  std::string details() const override {
    return "One line, NAME+ID+BASE64, as every tool for C2SP signed notes takes it, and --key of `khipu verify`.\n"
           "Hand it out by a way of its own: a key that comes with the log proves nothing about the log.\n\n"
           "Example:\n  khipu keys export /srv/audit > audit.vkey\n\n"
           "Exit codes: 0 printed, 3 no sound key there.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "the log's directory");
    arguments.text("--keys", keys_, "DIR", kKeysHelp);
  }
  Result<Exit> run(Output& output) override {
    KHIPU_TRY_ASSIGN(const auto keys, os::open_directory(keys_path(root_, keys_)));
    KHIPU_TRY_ASSIGN(const crypto::Key verifier,
                     crypto::open_key_file(*keys, crypto::kVerifierKeyFileName, crypto::KeyKind::kVerifier));
    KHIPU_TRY_ASSIGN(const tree::VerifierKey vkey, verifier_key(verifier));
    if (output.json()) {
      output.document({{"schema", "khipu.vkey/v1"}, {"vkey", vkey.text()}});
    } else {
      output.line(vkey.text());
    }
    return Exit::kOk;
  }

 private:
  std::string root_, keys_;
};

}  // namespace

std::unique_ptr<Command> make_keys_list() { return std::make_unique<KeysList>(); }
std::unique_ptr<Command> make_keys_export() { return std::make_unique<KeysExport>(); }

}  // namespace khipu::cli

// `khipu keys list|export`: the key files of a log's writer, checked as the writer checks them, and the half to hand
// out. No secret is shown.
#include <nlohmann/json.hpp>

#include "engine/base/time.h"
#include "engine/cli/commands.h"
#include "engine/cli/output.h"
#include "engine/cli/root.h"
#include "engine/crypto/key_file.h"
#include "engine/tree/note.h"

namespace khipu::cli {
namespace {

struct KeyFile {
  std::string_view file;
  crypto::KeyKind kind;
  const char* kind_name;
};
constexpr KeyFile kFiles[] = {{crypto::kSigningKeyFileName, crypto::KeyKind::kSigning, "signing"},
                              {crypto::kIndexKeyFileName, crypto::KeyKind::kIndex, "index"},
                              {crypto::kVerifierKeyFileName, crypto::KeyKind::kVerifier, "verifier"}};

Result<tree::VerifierKey> verifier_key(const crypto::Key& verifier) {
  KHIPU_TRY_ASSIGN(const crypto::PublicKey key, crypto::public_key(verifier));
  return tree::VerifierKey{verifier.name, tree::KeyType::kEd25519, key};
}

class KeysList final : public Command {
 public:
  std::string name() const override { return "keys list"; }
  std::string summary() const override { return "Check the writer's key files and show what they are"; }
  std::string details() const override {
    return "Every file is checked as the writer checks it: owner, rights, one link, form, check digits. Shows kind,\n"
           "name, version, creation, and the vkey of what signs; never a secret.\n\n"
           "Example:\n  khipu keys list /srv/audit\n\n"
           "Exit codes: 0 all sound, 1 one is missing or refused, 3 no such folder.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "the log's directory");
    arguments.text("--keys", keys_, "DIR", kKeysHelp);
  }
  Result<Exit> run(Output& output) override {
    KHIPU_TRY_ASSIGN(const auto keys, os::open_directory(keys_path(root_, keys_)));
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    bool sound = true;
    for (const KeyFile& file : kFiles) {
      const Result<crypto::Key> key = crypto::open_key_file(*keys, file.file, file.kind);
      if (!key.ok()) {
        sound = false;
        if (!output.json()) output.line(std::string(file.file) + "  REFUSED: " + printable(key.error().message));
        list.push_back({{"file", file.file}, {"kind", file.kind_name}, {"refused", key.error().message}});
        continue;
      }
      nlohmann::ordered_json entry = {{"file", file.file},
                                      {"kind", file.kind_name},
                                      {"name", key->name},
                                      {"version", key->version},
                                      {"created", format_rfc3339(key->created)}};
      std::string line = std::string(file.file) + "  " + file.kind_name + "  " + printable(key->name) + "  version " +
                         std::to_string(key->version) + "  made " + format_rfc3339(key->created);
      if (file.kind != crypto::KeyKind::kIndex) {
        crypto::Key verifier;
        if (file.kind == crypto::KeyKind::kSigning) {
          KHIPU_TRY_ASSIGN(verifier, crypto::verifier_of(*key));
        }
        KHIPU_TRY_ASSIGN(const tree::VerifierKey vkey,
                         verifier_key(file.kind == crypto::KeyKind::kSigning ? verifier : *key));
        entry["vkey"] = vkey.text();
        line += "  vkey " + vkey.text();
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

// `khipu init`: an empty root, its keys, commit 1.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/cli/commands.h"
#include "engine/cli/output.h"
#include "engine/cli/root.h"
#include "engine/crypto/hash.h"
#include "engine/crypto/key_file.h"
#include "engine/os/clock.h"
#include "engine/os/lock_file.h"
#include "engine/os/process.h"
#include "engine/writer/writer.h"

namespace khipu::cli {
namespace {

namespace fs = std::filesystem;

// "host/folder", with everything an origin may not hold as '-'.
std::string default_origin(const fs::path& root) {
  std::string origin = os::host_name() + "/" + root.filename().string();
  std::replace_if(
      origin.begin(), origin.end(), [](char c) { return c <= ' ' || c >= 0x7F || c == '+'; }, '-');
  return origin.substr(0, 100);
}

// The form other tools take: C2SP signed-note verifier keys.
std::string vkey(const std::string& origin, const crypto::PublicKey& key) {
  Buffer typed = {0x01};
  append(typed, key);
  const std::string prefix = origin + "\n";
  const Hash id = crypto::sha256(as_bytes(prefix), typed);
  return origin + "+" + hex(Bytes(id).first(4)) + "+" + base64(typed);
}

using Names = std::set<std::string>;

Result<Names> names_in(os::Directory& folder) {
  KHIPU_TRY_ASSIGN(const std::vector<os::Entry> entries, folder.list());
  Names names;
  for (const os::Entry& entry : entries) names.insert(entry.name);
  return names;
}

// What an init that failed (a full disk) has made goes again, or the next one would be refused. Under LOCK, and never
// once there is a HEAD: then there is a log, and the answer is true. The folders and their LOCK stay, which an init
// takes as empty.
Result<bool> take_back(os::Directory& root, const Names& root_before, os::Directory& keys, const Names& keys_before) {
  KHIPU_TRY_ASSIGN(const os::RootLock lock, os::RootLock::acquire(root, "init", os::system_clock().now()));
  KHIPU_TRY_ASSIGN(Names in_root, names_in(root));
  KHIPU_TRY_ASSIGN(Names in_keys, names_in(keys));
  if (in_root.count("HEAD") > 0) return true;
  for (const std::string& name : root_before) in_root.erase(name);
  for (const std::string& name : keys_before) in_keys.erase(name);
  in_root.erase("LOCK");
  in_keys.erase("LOCK");
  if (in_root.empty() && in_keys.count("state") > 0)
    return false;  // all keys and no folder: they may be another root's
  std::error_code ignored;
  for (const std::string& name : in_root) fs::remove_all(fs::path(root.path()) / name, ignored);
  for (const std::string& name : in_keys) fs::remove_all(fs::path(keys.path()) / name, ignored);
  return false;
}

class InitCommand final : public Command {
 public:
  std::string name() const override { return "init"; }
  std::string summary() const override { return "Make an empty log and its keys"; }
  std::string details() const override {
    return "Makes the directory ROOT (0750) and, beside it, the folder of the writer's keys (0700, secret files "
           "0600).\n"
           "Keys never lie inside the root: whoever copies the root must not get what signs it.\n"
           "Defines the entity types user, service and resource.\n"
           "Hand out the printed vkey (also in verifier.pub): with --key it lets anybody check the log.\n\n"
           "Examples:\n  khipu init /var/lib/khipu/main\n"
           "  khipu init /srv/audit --origin example.org/audit --keys /etc/khipu/audit.keys\n\n"
           "Exit codes: 0 made, 3 not made (exists, not empty, no permission).";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "directory to make; may exist if empty");
    arguments.text("--origin", origin_, "NAME",
                   "name of the log in checkpoints, 1 to 100 printable ASCII; default HOST/FOLDER");
    arguments.text("--keys", keys_, "DIR", kKeysHelp);
    arguments.text("--network-filesystem", network_, "KIND", kNetworkHelp);
  }

  Result<Exit> run(Output& output) override {
    os::disable_core_dumps();  // a signing key is made here
    KHIPU_TRY_ASSIGN(fs::path real_root, real_path(root_));
    if (!real_root.has_filename()) real_root = real_root.parent_path();
    const std::string keys_given = keys_path(real_root.string(), keys_);
    KHIPU_TRY_ASSIGN(const fs::path real_keys, real_path(keys_given));
    KHIPU_TRY_ASSIGN(const bool inside, lies_inside(keys_given, real_root.string()));
    if (inside) {
      return Error{Code::kInvalid, keys_given + ": the keys must not lie inside the root"};
    }
    KHIPU_TRY(refuse_inside_log(real_root.parent_path().string(), "a log"));
    KHIPU_TRY(refuse_inside_log(real_keys.string(), "keys"));
    if (origin_.empty()) origin_ = default_origin(real_root);

    if (std::error_code error; !fs::exists(real_root.parent_path(), error)) {
      return Error{Code::kNotFound, real_root.parent_path().string() + ": no such folder: make it first"};
    }
    if (std::error_code error; !fs::exists(real_keys.parent_path(), error)) {
      return Error{Code::kNotFound, real_keys.parent_path().string() + ": no such folder: make it first"};
    }
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> directory, os::create_directory(real_root.string(), 0750));
    KHIPU_TRY(refuse_network_filesystem(real_root.string(), network_));
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> keys, os::create_directory(real_keys.string(), 0700));
    writer::InitOptions options;
    options.origin = origin_;
    KHIPU_TRY_ASSIGN(const Names root_before, names_in(*directory));
    KHIPU_TRY_ASSIGN(const Names keys_before, names_in(*keys));
    Result<void> made = writer::initialize({*directory, *keys, os::system_clock(), os::system_random()}, options);
    if (!made.ok()) {
      // kConflict, kLocked: what is there is somebody else's.
      const Code code = made.error().code;
      if (code == Code::kConflict || code == Code::kLocked) return std::move(made).error();
      const Result<bool> is_log = take_back(*directory, root_before, *keys, keys_before);
      if (is_log.ok() && *is_log) {
        return Error{code, made.error().message + "; the log is made all the same: `khipu verify " +
                               real_root.string() + "` passes, and its next writer publishes its first checkpoint"};
      }
      return std::move(made).error();
    }

    KHIPU_TRY_ASSIGN(const crypto::Key verifier,
                     crypto::open_key_file(*keys, crypto::kVerifierKeyFileName, crypto::KeyKind::kVerifier));
    KHIPU_TRY_ASSIGN(const crypto::PublicKey public_key, crypto::public_key(verifier));
    const std::string line = vkey(origin_, public_key);
    if (output.json()) {
      output.document({{"schema", "khipu.init/v1"},
                       {"root", real_root.string()},
                       {"keys", real_keys.string()},
                       {"origin", origin_},
                       {"vkey", line},
                       {"verifier_key", hex(public_key)}});
      return Exit::kOk;
    }
    output.line("made " + printable(real_root.string()) + ", the log \"" + printable(origin_) + "\"");
    output.line("keys in " + printable(real_keys.string()) + ": keep them apart from copies of the root");
    output.line("vkey " + line);
    return Exit::kOk;
  }

 private:
  std::string root_, origin_, keys_, network_;
};

}  // namespace

std::unique_ptr<Command> make_init_command() { return std::make_unique<InitCommand>(); }

}  // namespace khipu::cli

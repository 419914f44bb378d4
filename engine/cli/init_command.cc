// `khipu init`: an empty root, its keys, commit 1.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/cli/commands.h"
#include "engine/cli/output.h"
#include "engine/cli/root.h"
#include "engine/crypto/hash.h"
#include "engine/crypto/key_file.h"
#include "engine/os/clock.h"
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
    const fs::path root = fs::absolute(root_).lexically_normal();
    const fs::path real_root = fs::weakly_canonical(root.has_filename() ? root : root.parent_path());
    const std::string keys_given = keys_path(real_root.string(), keys_);
    const fs::path real_keys = fs::weakly_canonical(fs::absolute(keys_given));
    if (lies_inside(keys_given, real_root.string())) {
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
    KHIPU_TRY(writer::initialize({*directory, *keys, os::system_clock(), os::system_random()}, options));

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

// `khipu keys init|rotate|check|export-public`: the key files of protected fields, by role. Nothing secret is shown.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/base/time.h"
#include "engine/cli/commands.h"
#include "engine/cli/key_access.h"
#include "engine/cli/output.h"
#include "engine/cli/root.h"
#include "engine/import/parked_files.h"
#include "engine/os/clock.h"
#include "engine/os/process.h"
#include "engine/protect/opener.h"
#include "engine/protect/parked.h"

namespace khipu::cli {
namespace {

using Json = nlohmann::ordered_json;

void print_files(Output& output, const char* schema, const std::vector<std::string>& files) {
  if (output.json()) {
    output.document({{"schema", schema}, {"files", files}});
  } else {
    for (const std::string& file : files) output.line("made " + printable(file));
  }
}

void say(Output& output, const std::string& text) {
  if (!output.json()) output.line(text);
}

class KeysInit final : public Command {
 public:
  std::string name() const override { return "keys init"; }
  std::string summary() const override { return "Make the keys of protected fields, for each role"; }
  std::string details() const override {
    return "The writer gets public keys, today's token key, a fingerprint and a digest key: it can write protected\n"
           "fields and read none. The readers' keys go to --out: search/ finds values (token root, digest keys),\n"
           "decrypt/ reads them. Move both off this host; without decrypt/ what is sealed can be read by nobody.\n"
           "An interrupted run is taken up by the next one. With --keys DIR, which must hold the log's verifier.pub, "
           "ROOT\n"
           "is not looked at: so the auditor makes the keys at home and sends the writer what is in DIR.\n\n"
           "Examples:\n  khipu keys init /srv/audit --out /media/usb/audit-keys\n"
           "  khipu keys init /srv/audit --out ./k --recipient auditors --recipient regulator\n"
           "  khipu keys init - --keys ./for-writer --out ./audit-keys\n\n"
           "Exit codes: 0 made, 3 not made.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "the log's directory");
    arguments.text("--out", out_, "DIR", kOutHelp);
    arguments.texts("--recipient", recipients_, "NAME",
                    "who can read what is sealed; again for more; default auditors");
    arguments.text("--keys", keys_, "DIR", kKeysHelp);
  }
  Result<Exit> run(Output& output) override {
    os::disable_core_dumps();
    KHIPU_TRY_ASSIGN(const RolePaths paths, open_roles(keys_path(root_, keys_), out_));
    KHIPU_TRY_ASSIGN(const crypto::Key verifier,
                     crypto::open_key_file(*paths.writer, crypto::kVerifierKeyFileName, crypto::KeyKind::kVerifier));
    if (recipients_.empty()) recipients_.push_back("auditors");
    KHIPU_TRY(protect::make_rings(paths.roles(), verifier.name, recipients_, os::system_clock().now()));
    if (output.json()) {
      output.document({{"schema", "khipu.keys-init/v1"},
                       {"writer", paths.writer->path()},
                       {"search", paths.search->path()},
                       {"decrypt", paths.decrypt->path()},
                       {"recipients", recipients_}});
      return Exit::kOk;
    }
    output.line("writer   " + printable(paths.writer->path()));
    output.line("search   " + printable(paths.search->path()) + "  move it off this host");
    output.line("decrypt  " + printable(paths.decrypt->path()) + "  move it off this host, and keep a copy");
    return Exit::kOk;
  }

 private:
  std::string root_, out_, keys_;
  std::vector<std::string> recipients_;
};

class KeysRotate final : public Command {
 public:
  std::string name() const override { return "keys rotate"; }
  std::string summary() const override { return "Make the next version of keys of protected fields"; }
  std::string details() const override {
    return "recipients: a new decrypt key for each --recipient, who alone should make it; new sessions are sealed to "
           "it, old values keep theirs until\n"
           "`khipu keys rewrap`. digest, tokens: the same for searches, which probe every version held, so the search\n"
           "role needs old and new files. The writer takes new keys up at its next start; that start says in meta/ "
           "who\n"
           "can read from then on. New token keys a running writer takes up with the first protected value of the "
           "next\n"
           "day, also without a restart.\n\n"
           "Examples:\n  khipu keys rotate /srv/audit recipients --out /media/usb/audit-keys\n"
           "  khipu keys rotate - recipients --recipient regulator --keys ./for-writer --out ./regulator-keys\n\n"
           "Exit codes: 0 made, 3 not made.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "the log's directory");
    arguments.required("KIND", kind_, "recipients, digest or tokens");
    arguments.texts("--recipient", recipients_, "NAME",
                    "with recipients: whose key is made; again for more; wanted when the writer has several names");
    arguments.text("--out", out_, "DIR", kOutHelp);
    arguments.text("--keys", keys_, "DIR", kKeysHelp);
  }
  Result<Exit> run(Output& output) override {
    os::disable_core_dumps();
    const auto kind = kind_ == "recipients" ? protect::RotateKind::kRecipients
                      : kind_ == "digest"   ? protect::RotateKind::kDigest
                                            : protect::RotateKind::kTokens;
    if (kind == protect::RotateKind::kTokens && kind_ != "tokens") {
      return Error{Code::kInvalid, "KIND must be recipients, digest or tokens"};
    }
    if (kind != protect::RotateKind::kRecipients && !recipients_.empty()) {
      return Error{Code::kInvalid, "--recipient goes with recipients"};
    }
    KHIPU_TRY_ASSIGN(const RolePaths paths, open_roles(keys_path(root_, keys_), out_));
    if (kind == protect::RotateKind::kRecipients && recipients_.empty()) KHIPU_TRY(only_one_name(*paths.writer));
    KHIPU_TRY_ASSIGN(const std::string origin, origin_of_log(*paths.writer, kind));
    KHIPU_TRY_ASSIGN(const std::vector<std::string> made,
                     protect::rotate(paths.roles(), origin, kind, os::system_clock().now(), recipients_));
    print_files(output, "khipu.keys-rotate/v1", made);
    return Exit::kOk;
  }

 private:
  // As GENESIS has it; at home, where no log is, as the verifier.pub that came with the writer's folder. For recipients
  // alone that may be missing: nothing that bears an origin may lie there then.
  Result<std::string> origin_of_log(os::Directory& writer, protect::RotateKind kind) const {
    if (keys_.empty()) {
      KHIPU_TRY_ASSIGN(const KeysOfRoot log, keys_of_root(root_));
      return log.origin;
    }
    const auto verifier = crypto::open_key_file(writer, crypto::kVerifierKeyFileName, crypto::KeyKind::kVerifier);
    if (verifier.ok()) return verifier->name;
    if (kind == protect::RotateKind::kRecipients && verifier.error().code == Code::kNotFound) return std::string();
    return verifier.error();
  }

  // Whoever runs this comes to hold the decrypt keys it makes: of other names' too, were they made unasked.
  static Result<void> only_one_name(os::Directory& writer) {
    KHIPU_TRY_ASSIGN(const protect::WriterRing ring, protect::load_writer_ring(writer));
    std::set<std::string> names;
    for (const crypto::Key& key : ring.recipients) names.insert(key.name);
    if (names.size() <= 1) return {};
    std::string list;
    for (const std::string& name : names) list += " " + name;
    return Error{Code::kInvalid, "several recipients are there:" + list +
                                     "; say whose decrypt key is to be made here: --recipient NAME"};
  }

  std::string root_, kind_, out_, keys_;
  std::vector<std::string> recipients_;
};

class KeysCheck final : public Command {
 public:
  std::string name() const override { return "keys check"; }
  std::string summary() const override { return "Check a folder of key files, and what of a log they open"; }
  std::string details() const override {
    return "Every key file in DIR is checked as its user checks it: owner, rights, one link, form, check digits, "
           "name, and\n"
           "that search keys are of one log, with --root of that log.\n"
           "With --root each data key of that log is opened with the decrypt keys in DIR and held against its KEY\n"
           "statement, and the keys of sealed lines in ROOT/dlq are opened: run it on a backup of decrypt/ before the "
           "original\nis lost.\n"
           "A decrypt key, or its public half, is shown as `khipu keys rewrap --to` wants it: "
           "NAME/VERSION=FINGERPRINT.\n\n"
           "Examples:\n  khipu keys check /media/usb/audit-keys/decrypt --root /srv/audit\n  khipu keys check "
           "./k/search\n\n"
           "Exit codes: 0 all sound (and all opened), 1 something is not, 3 no such folder.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("DIR", folder_, "a folder of key files");
    arguments.text("--root", root_, "ROOT", "also open each of this log's data keys");
  }
  Result<Exit> run(Output& output) override {
    os::disable_core_dumps();
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> directory, os::open_directory(folder_));
    KHIPU_TRY_ASSIGN(std::vector<os::Entry> entries, directory->list());
    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    Json keys = Json::array();
    bool sound = true;
    std::string origin;  // the log's; without --root that of the first file that bears one
    if (!root_.empty()) {
      KHIPU_TRY_ASSIGN(const KeysOfRoot log, keys_of_root(root_));
      origin = log.origin;
    }
    for (const os::Entry& entry : entries) {
      const std::optional<crypto::KeyKind> kind = protect::kind_of_file(entry.name);
      if (!kind) continue;
      const Result<crypto::Key> key = crypto::open_key_file(*directory, entry.name, *kind);
      std::string why = key.ok() ? "" : key.error().message;
      if (key.ok() && protect::key_file_name(*kind, key->name, key->version) != entry.name) {
        why = "the name of another key";
      } else if (key.ok() && protect::bears_origin(*kind)) {
        if (origin.empty()) origin = key->name;
        const Result<void> own = protect::check_origin(*key, directory->path(), origin);
        if (!own.ok()) why = own.error().message;
      }
      if (!why.empty()) {
        sound = false;
        say(output, printable(entry.name) + "  REFUSED: " + printable(why));
        keys.push_back({{"file", entry.name}, {"refused", why}});
        continue;
      }
      KHIPU_TRY_ASSIGN(const std::string recipient, recipient_text_of(*key));
      say(output, printable(entry.name) + "  " + std::string(crypto::key_kind_name(*kind)) + "  version " +
                      std::to_string(key->version) + "  made " + format_rfc3339(key->created) +
                      (protect::bears_origin(*kind) ? "  of " + printable(key->name) : "") +
                      (recipient.empty() ? "" : "  " + printable(recipient)));
      keys.push_back({{"file", entry.name},
                      {"kind", crypto::key_kind_name(*kind)},
                      {"name", key->name},
                      {"version", key->version},
                      {"created", format_rfc3339(key->created)}});
      if (!recipient.empty()) keys.back()["recipient"] = recipient;
    }
    if (keys.empty()) {
      sound = false;
      say(output, "no key file of protected fields is here");
    }
    Json document = {{"schema", "khipu.keys-check/v1"}, {"keys", std::move(keys)}};
    if (sound && !root_.empty()) {
      KHIPU_TRY_ASSIGN(const bool all, open_data_keys(*directory, output, document));
      sound = all;
    }
    if (output.json()) output.document(document);
    return sound ? Exit::kOk : Exit::kFinding;
  }

 private:
  Result<bool> open_data_keys(os::Directory& directory, Output& output, Json& document) const {
    KHIPU_TRY_ASSIGN(protect::DecryptRing ring, protect::load_decrypt_ring(directory));
    KHIPU_TRY_ASSIGN(KeysOfRoot keys, keys_of_root(root_));
    const RootId id = keys.root;
    const auto log = std::make_shared<const protect::KeyLog>(keys.log);
    KHIPU_TRY_ASSIGN(const std::unique_ptr<protect::Opener> opener,
                     protect::Opener::open(std::move(ring), keys.root, std::move(keys.wrapped)));
    opener->learn(log);
    uint64_t opened = 0, shredded = 0;
    Json failed = Json::array();
    for (const auto& [name, file] : log->files()) {
      if (file.name.kind != protect::WrappedKind::kData || log->current(file.name.number) != &file) continue;
      const Result<void> done = opener->check_key(file.name.number);
      if (done.ok()) {
        ++opened;
      } else if (done.error().code == Code::kPurged) {
        ++shredded;
      } else {
        say(output, name + "  NOT OPENED: " + printable(done.error().message));
        failed.push_back({{"file", name}, {"why", done.error().message}});
      }
    }
    say(output, "data keys: " + std::to_string(opened) + " opened, " + std::to_string(shredded) + " shredded, " +
                    std::to_string(failed.size()) + " not opened");
    document["opened"] = opened;
    document["shredded"] = shredded;
    document["not_opened"] = failed;
    KHIPU_TRY_ASSIGN(const bool parked, open_parked_keys(directory, id, output, document));
    return failed.empty() && parked;
  }

  // What was set aside is sealed under keys of its own, which no adoption carries.
  Result<bool> open_parked_keys(os::Directory& directory, const RootId& id, Output& output, Json& document) const {
    KHIPU_TRY_ASSIGN(const protect::DecryptRing ring, protect::load_decrypt_ring(directory));
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> root, os::open_directory(root_));
    uint64_t opened = 0;
    std::map<std::string, uint64_t> failed;  // by file
    KHIPU_TRY(import::each_parked_key(*root, [&](const std::string& file, Bytes wrapped) {
      const bool opens = protect::check_parked(id, wrapped, ring).ok();
      opened += opens;
      if (!opens) ++failed[file];
    }));
    uint64_t not_opened = 0;
    for (const auto& [file, count] : failed) {
      say(output, "dlq/" + printable(file) + "  NOT OPENED: the sealed lines of " + std::to_string(count) + " runs");
      not_opened += count;
    }
    if (opened + not_opened > 0) {
      say(output, "keys of sealed lines in dlq/: " + std::to_string(opened) + " opened, " + std::to_string(not_opened) +
                      " not opened");
    }
    document["dlq_opened"] = opened;
    document["dlq_not_opened"] = not_opened;
    return not_opened == 0;
  }

  std::string folder_, root_;
};

class KeysExportPublic final : public Command {
 public:
  std::string name() const override { return "keys export-public"; }
  std::string summary() const override { return "Write the public halves of decrypt keys, for a writer"; }
  std::string details() const override {
    return "An auditor who makes the own keys hands a writer nothing else. Copy the files into the writer's keys.\n\n"
           "Example:\n  khipu keys export-public ./k/decrypt ./public\n\n"
           "Exit codes: 0 written, 3 not: no decrypt key there, a file in the way.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("DIR", from_, "a folder of decrypt-NAME-VERSION.key files");
    arguments.required("OUT", to_, "where recipient-NAME-VERSION.pub go; made when absent");
  }
  Result<Exit> run(Output& output) override {
    os::disable_core_dumps();
    KHIPU_TRY_ASSIGN(const protect::DecryptRing ring, decrypt_ring(from_, ""));
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> out, os::create_directory(to_, 0755));
    std::vector<std::string> made;
    for (const crypto::Key& key : ring.keys) {
      KHIPU_TRY_ASSIGN(const crypto::Key recipient, crypto::recipient_of(key));
      const std::string file = protect::key_file_name(recipient.kind, recipient.name, recipient.version);
      KHIPU_TRY(at(to_, crypto::create_key_file(*out, file, recipient)));
      made.push_back(to_ + "/" + file);
    }
    print_files(output, "khipu.keys-export-public/v1", made);
    return Exit::kOk;
  }

 private:
  std::string from_, to_;
};

}  // namespace

std::unique_ptr<Command> make_keys_init() { return std::make_unique<KeysInit>(); }
std::unique_ptr<Command> make_keys_rotate() { return std::make_unique<KeysRotate>(); }
std::unique_ptr<Command> make_keys_check() { return std::make_unique<KeysCheck>(); }
std::unique_ptr<Command> make_keys_export_public() { return std::make_unique<KeysExportPublic>(); }

}  // namespace khipu::cli

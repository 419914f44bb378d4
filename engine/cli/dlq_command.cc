// `khipu dlq`: what could not be written and was set aside in ROOT/dlq, listed, and read back by those who may.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/base/utf8.h"
#include "engine/cli/commands.h"
#include "engine/cli/key_access.h"
#include "engine/cli/output.h"
#include "engine/cli/read_report.h"
#include "engine/cli/root.h"
#include "engine/crypto/hash.h"
#include "engine/crypto/wipe_freed.h"
#include "engine/import/parked_entries.h"
#include "engine/os/process.h"
#include "engine/protect/parked.h"

namespace khipu::cli {
namespace {

using Json = nlohmann::ordered_json;

class DlqCommand final : public Command {
 public:
  std::string name() const override { return "dlq"; }
  std::string summary() const override { return "List what was set aside because it could not be written"; }
  std::string details() const override {
    return "Records that `khipu import` and `khipu append --park` could not store, with their place and the reason.\n"
           "Where the log protects fields they are sealed for its recipients: --decrypt or --key-fd opens them, and a\n"
           "running writer records that they were read. --raw prints the records alone, as they came, to be mended\n"
           "and appended, each followed by a line break: one that holds line breaks itself takes several lines; one "
           "that was set aside twice is printed once. An entry goes when its file in ROOT/dlq is\n"
           "removed: nothing depends on it.\n\n"
           "Examples:\n  khipu dlq /srv/audit\n"
           "  khipu dlq /srv/audit --decrypt ./decrypt --raw > lines.jsonl\n"
           "  khipu dlq /srv/audit --key-fd 3 --json \\\n"
           "       3< <(khipu keys unlock decrypt.locked --passphrase-fd 4 4<FILE)\n\n"
           "Exit codes: 0 listed, 1 listed and some lines are damaged or were not opened though a key was given, or "
           "something\nelse lies in ROOT/dlq, 3 not listed.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "the log's directory");
    arguments.text("--decrypt", decrypt_, "DIR", "folder with decrypt keys: sealed entries are opened");
    arguments.text("--key-fd", descriptor_, "N", "the same from an open descriptor");
    arguments.flag("--raw", raw_, "print the records alone, as they came, a line break behind each");
  }

  Result<Exit> run(Output& output) override {
    os::disable_core_dumps();
    if (raw_ && output.json()) return Error{Code::kInvalid, "--raw prints records as they came: without --json"};
    if (!decrypt_.empty() || !descriptor_.empty()) {
      crypto::wipe_freed_memory();  // from now on plaintext passes through this process
      KHIPU_TRY_ASSIGN(const KeysOfRoot keys, keys_of_root(root_));
      KHIPU_TRY_ASSIGN(protect::DecryptRing ring, decrypt_ring(decrypt_, descriptor_));
      KHIPU_TRY_ASSIGN(opener_, protect::ParkedOpener::make(keys.root, std::move(ring)));
    }
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> root, os::open_directory(root_));
    KHIPU_TRY_ASSIGN(const std::optional<os::Entry> folder, root->stat("dlq"));
    if (folder) {
      KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> dlq, root->open_directory("dlq"));
      KHIPU_TRY_ASSIGN(std::vector<os::Entry> entries, dlq->list());
      std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
      for (const os::Entry& entry : entries) {
        if (entry.name.ends_with(".new")) continue;  // a crash left it of a replacement
        if (entry.kind != os::EntryKind::kFile || !entry.name.ends_with(".ndjson")) {
          strangers_.push_back(entry.name);
          continue;
        }
        KHIPU_TRY(at("dlq/" + entry.name, file(*dlq, entry.name)));
      }
    }
    if (opener_) {
      ReadReport report;
      report.tool = "khipu dlq";
      if (!decrypt_.empty()) report.arguments.emplace_back("decrypt");
      if (!descriptor_.empty()) report.arguments.emplace_back("key-fd");
      if (raw_) report.arguments.emplace_back("raw");
      report.results = opened_;
      report_read(root_, report, output);
    }
    print(output);
    return damaged_ > 0 || refused_ > 0 || !strangers_.empty() ? Exit::kFinding : Exit::kOk;
  }

 private:
  struct Shown {
    import::ParkedEntry entry;
    std::optional<protect::Plaintext> opened;
    std::string why;  // it was not opened
    std::optional<Bytes> bytes() const {
      if (opened) return opened->bytes();
      if (entry.raw) return Bytes(*entry.raw);
      return std::nullopt;
    }
  };

  Result<void> file(os::Directory& dlq, const std::string& name) {
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::File> file, dlq.open_file(name, os::Mode::kRead));
    std::map<std::string, Buffer> keys;
    KHIPU_TRY_ASSIGN(const import::ParkedLines lines,
                     import::each_parked_line(*file, import::kParkedLineSizeBytesMax,
                                              [&](std::string_view text) { line(text, keys); }));
    if (lines.torn) ++damaged_;  // a torn last line: what it was to hold was not committed either
    return {};
  }

  void line(std::string_view text, std::map<std::string, Buffer>& keys) {
    auto parsed = import::parse_parked(text);
    if (!parsed.ok()) {
      ++damaged_;
      return;
    }
    if (auto* key = std::get_if<import::ParkedKey>(&*parsed)) {
      keys.emplace(std::move(key->id), std::move(key->wrapped));
      return;
    }
    Shown shown{std::move(std::get<import::ParkedEntry>(*parsed)), std::nullopt, {}};
    if (!shown.entry.raw && opener_) {
      const auto key = keys.find(shown.entry.key_id);
      Result<protect::Plaintext> opened = key == keys.end()
                                              ? Error{Code::kNotFound, "its key is not in the file"}
                                              : opener_->open(key->second, shown.entry.place, shown.entry.sealed);
      if (opened.ok()) {
        shown.opened = std::move(*opened);
        ++opened_;
      } else {
        shown.why = opened.error().message;
        ++refused_;
      }
    }
    // The same record under the same reason: a crash, or an import that was tried again, set it aside twice.
    if (const std::optional<Bytes> bytes = shown.bytes()) {
      if (!seen_.insert(crypto::sha256({shown.entry.place, *bytes})).second) return;
    }
    entries_.push_back(std::move(shown));
  }

  void print(Output& output) const {
    Json list = Json::array();
    for (const Shown& shown : entries_) {
      const import::ParkedEntry& entry = shown.entry;
      const std::optional<Bytes> bytes = shown.bytes();
      if (raw_) {
        if (bytes) output.line(as_text(*bytes));
        continue;
      }
      if (!output.json()) {
        const char* state = entry.raw ? "" : shown.opened ? ", sealed, opened" : ", sealed";
        output.line(printable(entry.file) + " line " + std::to_string(entry.line) + " at " +
                    std::to_string(entry.offset) + ": " + printable(entry.reason) + " (" + std::to_string(entry.size) +
                    " bytes" + state + ")");
        if (!shown.why.empty()) output.line("  not opened: " + printable(shown.why));
        continue;
      }
      Json one = {{"file", entry.file},     {"format", entry.format}, {"line", entry.line},
                  {"offset", entry.offset}, {"size", entry.size},     {"reason", entry.reason}};
      if (!entry.raw) one["sealed"] = true;
      if (bytes && valid_utf8(*bytes)) one["raw"] = as_text(*bytes);
      if (bytes && !valid_utf8(*bytes)) one["raw_base64"] = base64(*bytes);
      if (!shown.why.empty()) one["not_opened"] = shown.why;
      list.push_back(std::move(one));
    }
    if (output.json()) {
      Json document = {{"schema", "khipu.dlq/v1"}, {"entries", std::move(list)}, {"damaged_lines", damaged_}};
      if (!strangers_.empty()) document["not_read"] = strangers_;
      output.document(document);
    } else if (!raw_) {
      output.line(std::to_string(entries_.size()) + (entries_.size() == 1 ? " entry" : " entries"));
    }
    if (damaged_ > 0) output.note(std::to_string(damaged_) + " lines of ROOT/dlq are damaged");
    for (const std::string& name : strangers_) {
      output.note("dlq/" + printable(name) + ": no file of set-aside records (a link, a pipe, another name): not read");
    }
    if (refused_ > 0 && raw_) output.note(std::to_string(refused_) + " entries were not opened and are missing here");
    if (raw_ && !opener_ && std::any_of(entries_.begin(), entries_.end(), [](const Shown& s) { return !s.bytes(); })) {
      output.note("some entries are sealed and missing here: --decrypt DIR opens them");
    }
  }

  std::string root_, decrypt_, descriptor_;
  bool raw_ = false;
  std::unique_ptr<protect::ParkedOpener> opener_;
  std::vector<Shown> entries_;
  std::set<Hash> seen_;
  std::vector<std::string> strangers_;
  uint64_t damaged_ = 0, refused_ = 0, opened_ = 0;
};

}  // namespace

std::unique_ptr<Command> make_dlq_command() { return std::make_unique<DlqCommand>(); }

}  // namespace khipu::cli

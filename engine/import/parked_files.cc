#include "engine/import/parked_files.h"

#include <array>

#include "engine/import/parking.h"

namespace khipu::import {
namespace {

constexpr size_t kWriteSize = 1 << 20;

// The line in place of this one; nullopt: none.
using Change =
    std::function<Result<std::optional<std::string>>(std::string_view, const std::variant<ParkedEntry, ParkedKey>*)>;

constexpr std::string_view kUnfinished = ".new";  // what a crash left of a replacement

struct Names {
  std::vector<std::string> files, unfinished, strangers;
};
Result<Names> names_in(os::Directory& dlq) {
  KHIPU_TRY_ASSIGN(const std::vector<os::Entry> entries, dlq.list());
  Names names;
  for (const os::Entry& entry : entries) {
    const bool file = entry.kind == os::EntryKind::kFile;
    (!file                               ? names.strangers
     : entry.name.ends_with(kUnfinished) ? names.unfinished
                                         : names.files)
        .push_back(entry.name);
  }
  return names;
}

Result<std::unique_ptr<os::Directory>> open_dlq(os::Directory& root) {
  KHIPU_TRY_ASSIGN(const std::optional<os::Entry> folder, root.stat("dlq"));
  if (!folder) return std::unique_ptr<os::Directory>();
  return root.open_directory("dlq");
}

// What becomes of a torn last line. Where nothing sealed is, and it can be the beginning of no key, it is evidence.
enum class Torn { kCut, kCutIfSealed };

Result<bool> may_be_key(const os::File& file, uint64_t from) {
  constexpr std::string_view kEntry = R"({"schema":"khipu.dlq-import/v1",)";
  std::array<uint8_t, kEntry.size()> head{};
  KHIPU_TRY_ASSIGN(const size_t size, file.read_at(from, head));
  return as_text(Bytes(head).first(size)) != kEntry.substr(0, size);
}

// Two passes, so that a file in which nothing changes is not written, and an error leaves the old one.
Result<void> rewrite(os::Directory& dlq, const std::string& name, const Change& change, Torn torn) {
  KHIPU_TRY_ASSIGN(const std::unique_ptr<os::File> file, dlq.open_file(name, os::Mode::kRead));
  KHIPU_TRY_ASSIGN(const bool alone, file->try_lock(0, 1, os::LockKind::kShared));
  if (!alone) return Error{Code::kLocked, "a process is writing to it: try again"};
  std::vector<std::pair<uint64_t, std::optional<std::string>>> changed;  // by the number of the line
  std::optional<Error> failed;
  uint64_t number = 0, kept = 0;
  bool sealed = false;
  KHIPU_TRY_ASSIGN(const ParkedLines lines,
                   each_parked_line(*file, kParkedLineSizeBytesMax, [&](std::string_view line) {
                     if (failed) return;
                     const auto parsed = parse_parked(line);
                     const auto* entry = parsed.ok() ? std::get_if<ParkedEntry>(&*parsed) : nullptr;
                     sealed |= parsed.ok() && (entry == nullptr || !entry->raw);
                     auto result = change(line, parsed.ok() ? &*parsed : nullptr);
                     if (!result.ok()) {
                       failed = result.error();
                       return;
                     }
                     kept += result->has_value() ? 1 : 0;
                     if (*result != line) changed.emplace_back(number, std::move(*result));
                     ++number;
                   }));
  if (failed) return *failed;
  if (changed.empty() && !lines.torn) return {};
  if (changed.empty() && torn == Torn::kCutIfSealed && !sealed) {
    KHIPU_TRY_ASSIGN(const bool key, may_be_key(*file, lines.whole_size));
    if (!key) return {};
  }
  if (kept == 0) {
    KHIPU_TRY(dlq.unlink(name));
    return dlq.sync();
  }
  const std::string next = name + std::string(kUnfinished);
  KHIPU_TRY_ASSIGN(const std::unique_ptr<os::File> out, make_dlq_file(dlq, next));
  std::string waiting;
  uint64_t size = 0;
  const auto write = [&](size_t least) -> Result<void> {
    if (waiting.size() < least) return {};
    KHIPU_TRY(out->write_at(size, as_bytes(waiting)));
    size += waiting.size();
    waiting.clear();
    return {};
  };
  number = 0;
  auto at_change = changed.begin();
  KHIPU_TRY(each_parked_line(*file, kParkedLineSizeBytesMax, [&](std::string_view line) {
    if (failed) return;
    const bool here = at_change != changed.end() && at_change->first == number;
    if (!here) waiting.append(line).append("\n");
    if (here && at_change->second) waiting.append(*at_change->second).append("\n");
    if (here) ++at_change;
    ++number;
    if (auto written = write(kWriteSize); !written.ok()) failed = written.error();
  }));
  if (failed) return *failed;
  KHIPU_TRY(write(0));
  KHIPU_TRY(out->sync());
  KHIPU_TRY(dlq.rename(next, name));
  return dlq.sync();
}

Result<void> rewrite_all(os::Directory& root, Torn torn, const Change& change) {
  KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> dlq, open_dlq(root));
  if (!dlq) return {};
  KHIPU_TRY_ASSIGN(const Names names, names_in(*dlq));
  for (const std::string& name : names.unfinished) KHIPU_TRY(dlq->unlink(name));
  if (!names.unfinished.empty()) KHIPU_TRY(dlq->sync());
  for (const std::string& name : names.files) KHIPU_TRY(at("dlq/" + name, rewrite(*dlq, name, change, torn)));
  return {};
}

}  // namespace

Result<SealedLines> sealed_lines(os::Directory& root) {
  SealedLines sealed;
  KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> dlq, open_dlq(root));
  if (!dlq) return sealed;
  KHIPU_TRY_ASSIGN(Names names, names_in(*dlq));
  sealed.unfinished = names.unfinished.size();
  sealed.strangers = std::move(names.strangers);
  const auto look = [&](const std::string& name, bool counts) -> Result<void> {
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::File> file, dlq->open_file(name, os::Mode::kRead));
    KHIPU_TRY(each_parked_line(*file, kParkedLineSizeBytesMax, [&](std::string_view line) {
      const auto parsed = parse_parked(line);
      if (!parsed.ok()) return;
      if (const auto* key = std::get_if<ParkedKey>(&*parsed)) {
        sealed.keys += counts;
        sealed.ids.insert(short_key_id(key->id));
      } else if (const auto& entry = std::get<ParkedEntry>(*parsed); !entry.raw) {
        sealed.entries += counts;
        sealed.ids.insert(short_key_id(entry.key_id));
      }
    }));
    return {};
  };
  for (const std::string& name : names.files) KHIPU_TRY(look(name, true));
  for (const std::string& name : names.unfinished) KHIPU_TRY(look(name, false));
  return sealed;
}

Result<void> each_parked_key(os::Directory& root, const std::function<void(const std::string&, Bytes)>& visit) {
  KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> dlq, open_dlq(root));
  if (!dlq) return {};
  KHIPU_TRY_ASSIGN(const Names names, names_in(*dlq));
  for (const std::string& name : names.files) {
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::File> file, dlq->open_file(name, os::Mode::kRead));
    KHIPU_TRY(each_parked_line(*file, kParkedLineSizeBytesMax, [&](std::string_view line) {
      const auto parsed = parse_parked(line);
      if (!parsed.ok()) return;
      if (const auto* key = std::get_if<ParkedKey>(&*parsed)) visit(name, key->wrapped);
    }));
  }
  return {};
}

std::string short_key_id(std::string_view id) { return std::string(id.substr(0, 16)); }

Result<uint64_t> replace_parked_keys(os::Directory& root, const SealAnew& anew) {
  uint64_t replaced = 0;
  KHIPU_TRY(rewrite_all(root, Torn::kCutIfSealed,
                        [&](std::string_view line, const auto* parsed) -> Result<std::optional<std::string>> {
                          const auto* key = parsed == nullptr ? nullptr : std::get_if<ParkedKey>(parsed);
                          if (key == nullptr) return std::optional(std::string(line));
                          KHIPU_TRY_ASSIGN(const std::optional<Buffer> wrapped, anew(key->wrapped));
                          if (!wrapped) return std::optional(std::string(line));
                          ++replaced;
                          return std::optional(parked_key_line(key->id, *wrapped));
                        }));
  return replaced;
}

Result<uint64_t> destroy_sealed(os::Directory& root, const std::set<std::string>* only) {
  uint64_t gone = 0;
  const Torn torn = only == nullptr ? Torn::kCut : Torn::kCutIfSealed;
  KHIPU_TRY(
      rewrite_all(root, torn, [&](std::string_view line, const auto* parsed) -> Result<std::optional<std::string>> {
        const std::optional<std::string> stays{std::string(line)};
        // A damaged line may be a sealed one, or a key: it can be read by nobody, and is not kept either.
        if (parsed == nullptr) return only == nullptr ? std::optional<std::string>() : stays;
        const auto* key = std::get_if<ParkedKey>(parsed);
        const auto* entry = std::get_if<ParkedEntry>(parsed);
        if (entry != nullptr && entry->raw) return stays;
        if (only != nullptr && !only->contains(short_key_id(key != nullptr ? key->id : entry->key_id))) return stays;
        gone += entry != nullptr;
        return std::optional<std::string>();
      }));
  return gone;
}

}  // namespace khipu::import

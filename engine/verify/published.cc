#include "engine/verify/published.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <tuple>

#include "engine/tree/note.h"

namespace khipu::verify {
namespace {

constexpr std::string_view kLogName = "checkpoints.log", kNewestName = "checkpoint";
constexpr uint64_t kPieceSize = 1ULL << 20;
constexpr uint64_t kNoteSizeMax = tree::kNoteSizeMax + 1;  // with the empty line
// Checkpoint commits that may stand without their notes: a crash comes between the two, and one more may come before
// the writer has issued the first again.
constexpr uint64_t kUnpublishedMax = 2;
constexpr uint64_t kNewestSize = 64ULL << 10;  // the end of checkpoints.log that the newest notes are looked for in

constexpr const char* kHeadPutBack =
    "HEAD, and so what is read, ends before a checkpoint that was published: HEAD was put back, or the log's end cut "
    "off";
constexpr const char* kHeadBehind = "HEAD names an older commit than this checkpoint does, as after a power loss";

Finding of_log(std::string_view code, uint64_t offset, std::string detail, std::string_view file = kLogName) {
  Finding found;
  found.code = code;
  found.rank = Rank::kAnchor;
  found.table = TableId::kMeta;
  found.file = file;
  found.offset = offset;
  found.detail = std::move(detail);
  return found;
}

// What is larger than a note is cut behind what shows that.
Result<std::optional<std::string>> read_newest(os::Directory& root) {
  auto file = root.open_file(kNewestName, os::Mode::kRead);
  if (!file.ok()) {
    if (file.error().code == Code::kNotFound) return std::optional<std::string>();
    return std::move(file).error();
  }
  Buffer bytes(kNoteSizeMax);
  KHIPU_TRY_ASSIGN(const size_t got, file.value()->read_at(0, bytes));
  return std::optional(std::string(as_text(Bytes(bytes).first(got))));
}

// One that is being written has no whole slot for a moment, at worst.
Result<std::optional<segment::Head>> head_now(os::Directory& root) {
  constexpr int kAttempts = 16;
  std::optional<segment::Head> head;
  for (int attempt = 0; attempt < kAttempts && !head; ++attempt) {
    KHIPU_TRY_ASSIGN(const auto slots, segment::read_head(root));
    head = segment::newest(slots);
  }
  return head;
}

bool covers(const std::optional<segment::Head>& head, TableId table, uint64_t size) {
  return head && size <= head->tables[index_of(table)].size;
}

// Calls back for each note of checkpoints.log with its offset, in order and in bounded memory. `size` and where the
// notes end, behind which is no more of them: the end of the file, or bytes that are no note however many follow.
struct LogExtent {
  uint64_t size = 0, end = 0;
};
Result<LogExtent> each_note(os::Directory& root, const std::function<void(uint64_t offset, std::string note)>& take) {
  LogExtent extent;
  auto file = root.open_file(kLogName, os::Mode::kRead);
  if (!file.ok()) {
    if (file.error().code == Code::kNotFound) return extent;
    return std::move(file).error();
  }
  KHIPU_TRY_ASSIGN(extent.size, file.value()->size());
  std::string held;  // from extent.end on
  Buffer piece(kPieceSize);
  // As long as it was when it was opened: what a running writer publishes meanwhile is of rows that are not looked at.
  while (held.size() < kNoteSizeMax && extent.end + held.size() < extent.size) {
    const uint64_t at = extent.end + held.size();
    const std::span<uint8_t> wanted(piece.data(), std::min<uint64_t>(piece.size(), extent.size - at));
    KHIPU_TRY(file.value()->read_exactly(at, wanted));
    held += as_text(wanted);
    uint64_t tail = 0;
    for (auto& [offset, note] : split_notes(held, tail)) take(extent.end + offset, std::move(note));
    extent.end += held.size() - tail;
    held.erase(0, held.size() - tail);
  }
  return extent;
}

// nullopt with a finding: not a note of this log. `unsynced`: behind the publication that `checkpoint` holds, where a
// power loss leaves anything; whether too many publications are without notes is asked apart (without_notes).
std::optional<PublishedNote> read_one(const Run& run, const std::string& text, uint64_t offset, std::string_view file,
                                      Findings& findings, uint64_t& signatures, bool unsynced = false) {
  const auto wrong = [&](std::string_view code, std::string detail, const Place& where = KHIPU_HERE) {
    Finding found = of_log(unsynced ? code::kUnacknowledgedTail : code, offset, std::move(detail), file);
    if (unsynced) found.detail += ": it was being published when the writer ended";
    found.information = unsynced;
    findings.add(std::move(found), where);
    return std::optional<PublishedNote>();
  };
  const Result<tree::Note> note = tree::parse_note(text);
  if (!note.ok()) return wrong(code::kSigBad, "not a signed note");
  const Result<tree::Checkpoint> checkpoint = tree::parse_checkpoint(note->text);
  if (!checkpoint.ok()) return wrong(code::kSigBad, "a signed note that is no checkpoint");
  PublishedNote out;
  const std::string& origin = run.genesis->origin;
  const auto table = std::find_if(kTables.begin(), kTables.end(), [&](TableId id) {
    return checkpoint->origin == (id == TableId::kMeta ? origin : fmt::format("{}/{}", origin, table_name(id)));
  });
  if (table == kTables.end()) return wrong(code::kGenesisMismatch, "a checkpoint of another log");
  out.table = *table;
  out.checkpoint = *checkpoint;
  out.text = text;
  out.offset = offset;
  ++signatures;
  const tree::VerifiedNote verified =
      tree::verify_note(*note, {tree::VerifierKey{checkpoint->origin, tree::KeyType::kEd25519, run.key.key}});
  if (verified.accepted()) return out;
  return wrong(verified.forged ? code::kSigBad : code::kKeyUnknown,
               verified.forged ? "the checkpoint's signature does not verify"
                               : "a checkpoint signed by a key that no statement names");
}

// Notes of checkpoints.log, a few hundred at a time: their signatures are most of the work, and are checked on all
// threads. Owner: one thread.
class NoteReader {
 public:
  NoteReader(Run& run, Published& out) : run_(run), out_(out) {}
  void take(uint64_t offset, std::string text) {
    const bool newest = out_.newest && text == *out_.newest;
    waiting_.push_back({offset, std::move(text), unsynced_});
    unsynced_ = unsynced_ || newest;
    if (waiting_.size() == kAtOnce) finish();
  }
  void finish() {
    struct Read {
      Findings findings;
      uint64_t signatures = 0;
      std::vector<std::optional<PublishedNote>> notes;
    };
    in_order<Read>(
        run_.crew, (waiting_.size() + kAPart - 1) / kAPart,
        [&](size_t part) {
          Read read;
          for (size_t i = part * kAPart; i < std::min(waiting_.size(), (part + 1) * kAPart); ++i) {
            const Waiting& one = waiting_[i];
            read.notes.push_back(
                read_one(run_, one.text, one.offset, kLogName, read.findings, read.signatures, one.unsynced));
          }
          return read;
        },
        [&](size_t, Read read) {
          run_.findings.merge(std::move(read.findings));
          run_.report.checked.signatures += read.signatures;
          for (std::optional<PublishedNote>& note : read.notes) {
            if (note) {
              out_.notes.push_back(std::move(*note));
            } else {
              ++out_.refused;
            }
          }
          return true;
        });
    waiting_.clear();
  }

 private:
  static constexpr size_t kAtOnce = 512, kAPart = 8;
  struct Waiting {
    uint64_t offset = 0;
    std::string text;
    bool unsynced = false;
  };
  Run& run_;
  Published& out_;
  std::vector<Waiting> waiting_;
  bool unsynced_ = false;
};

}  // namespace

std::vector<std::pair<uint64_t, std::string>> split_notes(std::string_view text, uint64_t& tail) {
  std::vector<std::pair<uint64_t, std::string>> notes;
  size_t at = 0;
  while (at < text.size()) {
    const size_t body = text.find("\n\n", at);
    if (body == std::string_view::npos) break;
    const size_t end = text.find("\n\n", body + 2);
    if (end == std::string_view::npos) break;
    notes.emplace_back(at, std::string(text.substr(at, end + 1 - at)));
    at = end + 2;
  }
  tail = text.size() - at;
  return notes;
}

Result<Published> read_published(Run& run) {
  Published out;
  // This one first: what it holds stands in the log before it is written.
  KHIPU_TRY_ASSIGN(out.newest, read_newest(run.root));
  NoteReader reader(run, out);
  KHIPU_TRY_ASSIGN(const LogExtent extent, each_note(run.root, [&](uint64_t offset, std::string text) {
                     reader.take(offset, std::move(text));
                   }));
  reader.finish();
  out.size = extent.size;
  out.tail = extent.size - extent.end;
  if (run.head.writer_running) {
    KHIPU_TRY_ASSIGN(out.head, head_now(run.root));
  }
  return out;
}

Result<void> check_head_covers(Run& run) {
  std::vector<std::pair<uint64_t, std::string>> texts;
  KHIPU_TRY_ASSIGN(const std::optional<std::string> newest, read_newest(run.root));
  if (newest) texts.emplace_back(0, *newest);
  auto file = run.root.open_file(kLogName, os::Mode::kRead);
  if (!file.ok() && file.error().code != Code::kNotFound) return std::move(file).error();
  if (file.ok()) {
    KHIPU_TRY_ASSIGN(const uint64_t size, file.value()->size());
    const uint64_t from = size - std::min(size, kNewestSize);
    Buffer bytes(size - from);
    KHIPU_TRY_ASSIGN(const size_t got, file.value()->read_at(from, bytes));
    std::string_view text = as_text(Bytes(bytes).first(got));
    if (from > 0) {  // a note begins behind an empty line, with the origin
      const size_t at = text.find("\n\n" + run.genesis->origin);
      text.remove_prefix(at == std::string_view::npos ? text.size() : at + 2);
    }
    uint64_t tail = 0;
    for (auto& [offset, note] : split_notes(text, tail)) texts.emplace_back(size - text.size() + offset, note);
  }
  std::optional<segment::Head> head = run.head.newest;
  if (run.head.writer_running) {
    KHIPU_TRY_ASSIGN(head, head_now(run.root));
  }
  for (auto text = texts.rbegin(); text != texts.rend(); ++text) {
    Findings others;  // is for who reads all of the log to judge
    uint64_t signatures = 0;
    const std::optional<PublishedNote> note = read_one(run, text->second, text->first, kLogName, others, signatures);
    if (!note || covers(head, note->table, note->checkpoint.size)) continue;
    Finding found = of_log(run.head.writer_running ? code::kRollback : code::kHeadInconsistent, note->offset,
                           run.head.writer_running ? kHeadPutBack : kHeadBehind);
    found.table = note->table;
    found.information = !run.head.writer_running;
    found.expected = fmt::format("size {}", note->checkpoint.size);
    if (head) found.actual = fmt::format("size {}", head->tables[index_of(note->table)].size);
    found.signed_heads = {note->text};
    run.findings.add(std::move(found));
    if (run.head.writer_running) return {};
    run.incomplete = true;
    run.report.not_checked.emplace_back("events that HEAD does not name, and a checkpoint does: verify the whole log");
    return {};
  }
  return {};
}

Result<std::string> published_checkpoint(os::Directory& root, std::optional<uint64_t> number) {
  Findings findings;
  KHIPU_TRY_ASSIGN(const std::optional<codec::Genesis> genesis, read_genesis(root, findings));
  std::vector<std::string> of_meta;
  KHIPU_TRY(each_note(root, [&](uint64_t, std::string text) {
    if (genesis && text.starts_with(genesis->origin + "\n")) of_meta.push_back(std::move(text));
  }));
  if (of_meta.empty()) return Error{Code::kNotFound, "no checkpoint was published yet"};
  const uint64_t wanted = number.value_or(of_meta.size());
  if (wanted == 0 || wanted > of_meta.size()) {
    return Error{Code::kNotFound, fmt::format("checkpoints 1 to {} were published", of_meta.size())};
  }
  return of_meta[wanted - 1];
}

namespace {

class PublishedCheck {
 public:
  PublishedCheck(Run& run, const Published& published, const codec::CommitRecord& line,
                 const std::function<std::optional<Hash>(TableId, uint64_t)>& root_at)
      : run_(run), published_(published), line_(line), root_at_(root_at) {}

  // (table, size, root) of TABLE_HEADs, by the row they stand in.
  void collect(const std::vector<codec::StatementRecord>& statements) {
    for (size_t row = 0; row < statements.size(); ++row) {
      const auto* head = std::get_if<codec::TableHead>(&statements[row].body);
      if (head != nullptr) heads_.emplace(std::tuple(head->table, head->size, head->root), row);
      if (head != nullptr) by_row_.emplace_back(row, head);
      // Rows of one checkpoint commit were recorded at one time.
      if (head != nullptr &&
          (head_rows_.empty() || statements[head_rows_.back()].recorded_at != statements[row].recorded_at)) {
        head_rows_.push_back(row);
      }
    }
  }

  void notes() {
    std::vector<const PublishedNote*> open;  // of the publication under way
    for (const PublishedNote& note : published_.notes) {
      head_of(note);
      order(note, open);
      if (note.table != TableId::kMeta) {
        open.push_back(&note);
        continue;
      }
      for (const PublishedNote* of_table : open) named(*of_table, note.checkpoint.size);
      all_of(note, open);
      open.clear();
      newest_ = &note;
      meta_sizes_.push_back(note.checkpoint.size);
    }
  }

  void newest() {
    const auto report = [&](std::string_view code, std::string detail, bool information,
                            const Place& where = KHIPU_HERE) {
      Finding found = of_log(code, 0, std::move(detail), kNewestName);
      found.information = information;
      run_.findings.add(std::move(found), where);
    };
    if (!published_.newest) {
      const bool many = std::count_if(published_.notes.begin(), published_.notes.end(),
                                      [](const PublishedNote& note) { return note.table == TableId::kMeta; }) > 1;
      if (newest_ != nullptr) report(code::kHeadMissing, "checkpoint is not there", !many);
      return;
    }
    const std::optional<PublishedNote> note =
        read_one(run_, *published_.newest, 0, kNewestName, run_.findings, run_.report.checked.signatures);
    if (!note || (newest_ != nullptr && newest_->text == note->text)) return;
    const bool older = std::any_of(published_.notes.begin(), published_.notes.end(),
                                   [&](const PublishedNote& other) { return other.text == note->text; });
    if (older) {
      report(code::kHeadInconsistent, "checkpoint is older than the end of checkpoints.log", true);
    } else {
      head_of(*note);
      if (published_.refused > 0) return;  // one of them may be it
      report(code::kHeadMissing, "the checkpoint in this file is not in checkpoints.log: that was cut, or is gone",
             false);
    }
  }

  // Each checkpoint commit has its publication, unless a crash came between the two.
  void without_notes() {
    std::optional<uint64_t> first;
    uint64_t count = 0;
    for (size_t i = 0; i + 1 < head_rows_.size() && newest_ != nullptr; ++i) {
      const auto size = std::upper_bound(meta_sizes_.begin(), meta_sizes_.end(), head_rows_[i]);
      if (size == meta_sizes_.end() || *size <= head_rows_[i + 1]) continue;
      ++count;
      if (!first) first = head_rows_[i];
    }
    if (!first) return;
    Finding found = of_log(code::kHeadMissing, 0,
                           fmt::format("{} checkpoint commits without a publication: crashes came between, or "
                                       "checkpoints.log was rewritten",
                                       count));
    found.row = Row{*first};
    found.information = true;
    run_.findings.add(std::move(found));
  }

  // TABLE_HEADs are there to be published.
  void completeness() {
    const uint64_t published = newest_ == nullptr ? 0 : newest_->checkpoint.size;
    const auto unpublished = static_cast<uint64_t>(
        std::count_if(head_rows_.begin(), head_rows_.end(), [&](uint64_t row) { return row >= published; }));
    const uint64_t under_way = run_.head.writer_running ? 1 : 0;
    if (unpublished <= kUnpublishedMax + under_way || published_.refused > 0) return;
    Finding found =
        of_log(code::kHeadMissing, published_.size - published_.tail,
               "checkpoints that TABLE_HEADs were made for are not there: checkpoints.log was cut, or is gone");
    found.expected = fmt::format("{} more publications", unpublished);
    found.row = Row{published};
    run_.findings.add(std::move(found));
  }

  void tail() {
    if (published_.tail > kNoteSizeMax) {
      run_.findings.add(of_log(code::kSigBad, published_.size - published_.tail,
                               fmt::format("{} bytes that are no notes", published_.tail)));
      return;
    }
    if (published_.tail == 0 || run_.head.writer_running) return;
    Finding found = of_log(code::kUnacknowledgedTail, published_.size - published_.tail,
                           "a note that ends too early; the writer's next start sets it aside and issues it again");
    found.information = true;
    run_.findings.add(std::move(found));
  }

 private:
  void head_of(const PublishedNote& note) {
    const codec::TableState& now = line_.tables[index_of(note.table)];
    const std::optional<Hash> there = root_at_(note.table, note.checkpoint.size);
    if (there && !amiss(*there != note.checkpoint.root)) return;
    const bool ahead = note.checkpoint.size > now.size;
    if (ahead && run_.head.writer_running && covers(published_.head, note.table, note.checkpoint.size)) return;
    if (!ahead && !there) return;  // the walk broke in front of it, which is a finding of its own
    Finding found = of_log(ahead ? code::kRollback : code::kFork, note.offset,
                           !ahead                     ? "the log has another past than a checkpoint it published"
                           : run_.head.writer_running ? kHeadPutBack
                                                      : "the log is shorter than a checkpoint it published: its end "
                                                        "was cut off");
    found.table = note.table;
    found.row = Row{std::min(note.checkpoint.size, now.size)};
    found.expected = fmt::format("size {} root {}", note.checkpoint.size, base64(note.checkpoint.root));
    found.actual = there ? fmt::format("root {} at that size", base64(*there)) : fmt::format("size {}", now.size);
    found.commit = line_.number;
    found.signed_heads = {note.text};
    run_.findings.add(std::move(found));
  }

  void order(const PublishedNote& note, const std::vector<const PublishedNote*>& open) {
    uint64_t& size = sizes_[index_of(note.table)];
    // Meta grows with each: of a table, TABLE_HEADs are rows of it.
    const bool again = note.table == TableId::kMeta && amiss(size > 0 && note.checkpoint.size == size);
    const bool falls = amiss(note.checkpoint.size < size);
    const bool behind = amiss(note.table != TableId::kMeta && !open.empty() && open.back()->table >= note.table);
    size = std::max(size, note.checkpoint.size);
    if (!falls && !behind && !again) return;
    run_.findings.add(of_log(code::kHeadInconsistent, note.offset,
                             again   ? "a publication that stands there twice"
                             : falls ? "a checkpoint of fewer rows than one in front of it"
                                     : "a checkpoint that stands out of its publication's order"));
  }

  void named(const PublishedNote& note, uint64_t meta_size) {
    // Published since HEAD was read: its statements are not looked at.
    if (run_.head.writer_running && meta_size > line_.tables[index_of(TableId::kMeta)].size) return;
    const auto head = heads_.find(std::tuple(note.table, note.checkpoint.size, note.checkpoint.root));
    if (head != heads_.end() && !amiss(head->second >= meta_size)) return;
    Finding found = of_log(code::kHeadInconsistent, note.offset,
                           "a table's checkpoint that no TABLE_HEAD below the checkpoint of meta names");
    found.expected = fmt::format("{} size {}", table_name(note.table), note.checkpoint.size);
    run_.findings.add(std::move(found));
  }

  // What moved since the publication before has its note in this one.
  void all_of(const PublishedNote& meta, const std::vector<const PublishedNote*>& open) {
    const uint64_t from = meta_sizes_.empty() ? 0 : meta_sizes_.back();
    if (published_.refused > 0 || meta.checkpoint.size > line_.tables[index_of(TableId::kMeta)].size) return;
    std::array<const codec::TableHead*, kTableCount> moved{};
    const auto begin = std::lower_bound(by_row_.begin(), by_row_.end(), from,
                                        [](const auto& at, uint64_t row) { return at.first < row; });
    for (auto it = begin; it != by_row_.end() && it->first < meta.checkpoint.size; ++it) {
      moved[index_of(it->second->table)] = it->second;
    }
    for (const codec::TableHead* head : moved) {
      const bool there = head == nullptr || std::any_of(open.begin(), open.end(), [&](const PublishedNote* note) {
                           return note->table == head->table && note->checkpoint.size == head->size;
                         });
      if (!amiss(!there)) continue;
      Finding found = of_log(code::kHeadMissing, meta.offset, "a publication without the checkpoint of a table");
      found.expected = fmt::format("{} size {}", table_name(head->table), head->size);
      run_.findings.add(std::move(found));
    }
  }

  Run& run_;
  const Published& published_;
  const codec::CommitRecord& line_;
  const std::function<std::optional<Hash>(TableId, uint64_t)>& root_at_;
  std::map<std::tuple<TableId, uint64_t, Hash>, uint64_t> heads_;
  std::vector<std::pair<uint64_t, const codec::TableHead*>> by_row_;
  std::vector<uint64_t> head_rows_;  // the first TABLE_HEAD of each checkpoint commit
  std::array<uint64_t, kTableCount> sizes_{};
  std::vector<uint64_t> meta_sizes_;  // of meta's notes; when they fall, that is a finding
  const PublishedNote* newest_ = nullptr;
};

}  // namespace

void check_published(Run& run, const Published& published, const std::vector<codec::StatementRecord>& statements,
                     const codec::CommitRecord& line,
                     const std::function<std::optional<Hash>(TableId, uint64_t)>& root_at) {
  PublishedCheck check(run, published, line, root_at);
  check.collect(statements);
  check.notes();
  check.newest();
  check.without_notes();
  check.completeness();
  check.tail();
  run.report.checked.checkpoints = published.notes.size();
}

}  // namespace khipu::verify

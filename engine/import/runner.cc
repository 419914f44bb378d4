#include "engine/import/runner.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <thread>

#include "engine/crypto/hash.h"
#include "engine/crypto/wipe_freed.h"
#include "engine/import/chunk.h"
#include "engine/import/protecting.h"
#include "engine/import/resume.h"
#include "engine/registry/guard.h"

namespace khipu::import {
namespace {

constexpr size_t kRejectsMax = 100;
constexpr uint32_t kFewer = 8;  // a chunk that is too large is made again of so many times fewer records
constexpr uint32_t kCalm = 8;   // and of twice as many, once so many in a row were not

// One run over one input. Owner: one thread, which commits; lives as long as Importer::run. Two more work ahead of it,
// one reads and one maps, so a chunk is made while the one before it syncs. One commit is under way at a time: were the
// next one handed in as well and this one refused, the next one's receipt would hide the gap for ever.
class Run {
 public:
  Run(Importer& importer, const os::File& file, const RunOptions& options)
      : importer_(importer),
        file_(file),
        options_(options),
        schema_(importer.schema),
        chunk_events_(options.chunk_events) {
    report_.fills = ChunkMapper::fills(importer.mapper);
    report_.source = options.source;
    report_.format = importer.mapper.format();
  }

  Result<Report> go() {
    std::vector<codec::Import> receipts;
    for (std::span<const codec::Import> earlier = importer_.earlier;; earlier = receipts) {
      KHIPU_TRY_ASSIGN(const bool ended, go_on_behind(earlier));
      if (ended) return std::move(report_);
      auto fresh = importer_.receipts();
      if (!fresh.ok() && fresh.error().code == Code::kCancelled) {
        report_.overtaken = true;
        return std::move(report_);
      }
      KHIPU_TRY_ASSIGN(receipts, std::move(fresh));
    }
  }

 private:
  // False when a chunk was refused as a conflict, or as too large: to be tried again, or made smaller, behind the
  // receipts there are then.
  Result<bool> go_on_behind(std::span<const codec::Import> earlier) {
    KHIPU_TRY_ASSIGN(input_, Input::open(file_));
    KHIPU_TRY_ASSIGN(resume_, find_resume(file_, input_->compressed(), importer_.mapper.format(),
                                          importer_.mapper.mapping(), earlier, importer_.receipt_key));
    // What is written behind a packed input while it is read is none of what its receipts speak of.
    if (input_->compressed()) {
      KHIPU_TRY_ASSIGN(input_, Input::open(file_, resume_.size));
    }
    report_.earlier = resume_.earlier;
    if (resume_.nothing_new && !options_.dry_run) {
      KHIPU_TRY(define());  // a mapper may be asked to protect what it did not before
      report_.nothing_new = report_.read == 0;
      report_.sha256 = resume_.sha256;
      return true;
    }
    if (resume_.undecided && !options_.dry_run) {
      return Error{Code::kForbidden,
                   "inputs with protected values were imported in this format before, and only the writer's index.key "
                   "can tell whether this is one of them: import as a user who may read it"};
    }
    if (resume_.remapped != nullptr && !options_.dry_run && !options_.again) {
      const codec::Import& other = *resume_.remapped;
      return Error{Code::kConflict, "its first " + std::to_string(other.to) + " bytes were imported before as " +
                                        other.source + " under the mapping with SHA-256 " + hex(other.mapping) +
                                        ", and this one's is " + hex(importer_.mapper.mapping()) +
                                        ": their records would be stored a second time. Import with that mapping, or "
                                        "say --again"};
    }
    if (options_.dry_run && resume_.remapped != nullptr && !options_.again) {
      report_.warnings.push_back("its first " + std::to_string(resume_.remapped->to) +
                                 " bytes were imported before under another mapping: an import wants --again");
    }
    if (options_.dry_run) {  // a trial looks at all of it
      report_.nothing_new = resume_.nothing_new;
      report_.resumed_at = resume_.at;
      resume_.at = 0;
    }
    if (!std::exchange(begun_, true)) {
      if (!options_.dry_run) report_.resumed_at = resume_.at;
      KHIPU_TRY(define());
    }
    refused_ = false;
    KHIPU_TRY(commit_all());
    return !refused_;
  }

  Result<void> define() {
    KHIPU_TRY_ASSIGN(std::vector<codec::Statement> missing, missing_definitions(importer_.mapper, schema_));
    for (const codec::Statement& statement : missing) {
      if (const auto* type = std::get_if<codec::TypeStatement>(&statement)) schema_.apply(type->type);
      if (const auto* column = std::get_if<codec::ColumnStatement>(&statement)) schema_.apply(column->column);
    }
    protects_ = protects(importer_.mapper, schema_);
    if (protects_) crypto::wipe_freed_memory();  // before the first record is read
    if (missing.empty() || options_.dry_run) return {};
    // Commits of their own: the writer validates events against the definitions in force when they are handed in.
    for (size_t at = 0; at < missing.size();) {
      ingest::Batch batch;
      for (size_t count = std::min<size_t>(missing.size() - at, options_.limits.batch_events_max);; count /= 2) {
        const auto from = missing.begin() + static_cast<ptrdiff_t>(at);
        batch.statements.assign(from, from + static_cast<ptrdiff_t>(count));
        if (count == 1 || !importer_.sink.too_large(batch)) break;
      }
      batch.adds_fields = true;
      at += batch.statements.size();
      if (auto result = importer_.sink.submit(std::move(batch)); !result.ok()) {
        return std::move(result).error().at("defining types and columns");
      }
    }
    return {};
  }

  Result<void> commit_all() {
    SourceOptions source = importer_.mapper.source();
    source.last_line_waits = options_.may_grow && !input_->compressed();
    ChunkReader reader(*input_, source, resume_, options_, chunk_events_);
    ChunkMapper mapper(importer_.mapper, schema_, options_, importer_.clock, protects_);
    Chunks cut(1), mapped(1);
    Result<void> read, committed;
    std::thread reading([&] { read = reader.run(cut); });
    std::thread mapping([&] { mapper.run(cut, mapped); });
    while (std::optional<std::unique_ptr<Chunk>> chunk = mapped.take()) {
      committed = flush(**chunk);
      if (!committed.ok() || report_.cancelled || refused_) break;
    }
    mapped.abandon();
    mapping.join();
    reading.join();
    KHIPU_TRY(std::move(committed));
    return report_.cancelled || refused_ ? Result<void>() : std::move(read);
  }

  Result<void> park(const Chunk::Parked& record) {
    std::string reason = protects_ ? reason_without_values(record.reason) : record.reason;
    if (record.raw.size() < record.size) {
      reason +=
          "; kept are the first " + std::to_string(record.raw.size()) + " of " + std::to_string(record.size) + " bytes";
    }
    rejects_.push_back({record.line, record.offset, reason});
    if (options_.dry_run) return {};
    return importer_.parking.park(
        {options_.source, importer_.mapper.format(), record.line, record.offset, reason, record.raw, protects_});
  }

  // Commits the chunk with its receipt. The order is in runner.h.
  Result<void> flush(Chunk& chunk) {
    codec::Import& receipt = chunk.receipt;
    if (!options_.dry_run) report_.skipped = chunk.skipped - std::min(chunk.skipped, own_);
    report_.sha256 = receipt.prefix_sha256;
    if (options_.cancelled && options_.cancelled()) {
      report_.cancelled = true;
      return {};
    }
    KHIPU_TRY(look_again(chunk));
    rejects_.clear();
    for (const Chunk::Parked& record : chunk.parked) KHIPU_TRY(park(record));
    const bool says_nothing = chunk.held_back && receipt.from == receipt.to;
    if (!options_.dry_run && !says_nothing) {
      KHIPU_TRY(importer_.parking.sync());
      receipt.source = options_.source;
      receipt.format = importer_.mapper.format();
      receipt.mapping = importer_.mapper.mapping();
      receipt.keyed = protects_;
      chunk.batch.statements.push_back(receipt);
      const Hash start = start_of(chunk), body = body_of(chunk);
      const bool tried = conflict_ == start;  // and the receipts say nothing of it
      chunk.batch.key = {std::string(kKeyScope), hex(tried ? crypto::sha256({start, body}) : start), body};
      KHIPU_TRY_ASSIGN(ingest::Batch batch, fitting(chunk));
      if (refused_) return {};
      auto stored = importer_.sink.store(std::move(batch));
      if (!stored.ok() && stored.error().code == Code::kConflict && !tried && importer_.receipts) {
        conflict_ = start;
        refused_ = true;  // and what the chunk says is said when it comes again
        return {};
      }
      if (!stored.ok()) return std::move(stored).error().at("storing records up to byte " + std::to_string(receipt.to));
      if (stored->duplicate) {
        tell(chunk);
        report_.stored_meanwhile += receipt.read;
        return {};
      }
      if (receipt.stored > 0 && !report_.first_seq) report_.first_seq = stored->first_seq;
    }
    tell(chunk);
    if (says_nothing) return {};
    for (Reject& reject : rejects_) {
      if (report_.rejects.size() < kRejectsMax) report_.rejects.push_back(std::move(reject));
    }
    add(receipt, chunk.tally);
    grow_chunks();
    if (options_.progress) {
      options_.progress({chunk.offset, input_->compressed() ? 0 : resume_.size, report_.read});
    }
    return {};
  }

  // The chunk's batch as it can be handed over: a record that is too large by itself is parked, of several so few are
  // taken (and refused_ says so) that each is seen by itself in the end.
  Result<ingest::Batch> fitting(Chunk& chunk) {
    const std::optional<std::string> why = importer_.sink.too_large(chunk.batch);
    if (!why) return std::move(chunk.batch);
    if (chunk.items.size() > 1 && importer_.receipts) {
      chunk_events_ = std::max<uint32_t>(1, static_cast<uint32_t>(chunk.items.size()) / kFewer);
      calm_ = 0;
      own_ = report_.read + report_.stored_meanwhile;
      refused_ = true;
      return ingest::Batch();
    }
    if (chunk.items.size() != 1 || chunk.batch.events.empty()) {
      return Error{Code::kLimit, "storing records up to byte " + std::to_string(chunk.receipt.to) + ": " + *why};
    }
    const Chunk::Item& item = chunk.items.front();
    KHIPU_TRY(park({item.offset, item.line, item.size, item.raw, *why}));
    KHIPU_TRY(importer_.parking.sync());
    codec::Import& receipt = chunk.receipt;
    receipt.stored = 0;
    receipt.parked = 1;
    receipt.first = receipt.last = std::nullopt;
    const size_t members = chunk.tally.fills.size();
    chunk.tally = {};
    chunk.tally.fills.resize(members);
    ingest::Batch batch;
    batch.key = chunk.batch.key;
    batch.statements.emplace_back(receipt);
    return batch;
  }

  void grow_chunks() {
    if (++calm_ < kCalm) return;
    calm_ = 0;
    chunk_events_ = static_cast<uint32_t>(std::min<uint64_t>(uint64_t{chunk_events_} * 2, options_.chunk_events));
  }

  void tell(const Chunk& chunk) {
    for (const std::string& warning : chunk.told) {  // what was read again says the same again
      const auto said = std::find(report_.warnings.begin(), report_.warnings.end(), warning);
      if (said == report_.warnings.end()) report_.warnings.push_back(warning);
    }
  }

  // What was not protected when the run began may be by the time its records are stored or set aside.
  Result<void> look_again(Chunk& chunk) {
    if (!protects_ && !options_.dry_run && importer_.schema_again && !chunk.parked.empty()) {
      KHIPU_TRY_ASSIGN(const registry::Schema schema, importer_.schema_again());
      protects_ = protects(importer_.mapper, schema);
      if (protects_) crypto::wipe_freed_memory();
    }
    chunk.batch.seal_content |= protects_;
    return {};
  }

  // Where a chunk begins: what is in front of it, and its first record.
  Hash start_of(const Chunk& chunk) const {
    const codec::Import& receipt = chunk.receipt;
    Buffer place;
    append_le(place, receipt.from);
    append_le(place, uint64_t{chunk.items.size()} > 0 ? chunk.items.front().offset + 1 : 0);
    append_le(place, uint64_t{input_->compressed()});
    const Hash first = chunk.items.empty() ? Hash{} : crypto::sha256(chunk.items.front().raw);
    return crypto::sha256({as_bytes(receipt.format), receipt.mapping, place, chunk.before, first});
  }
  // Which bytes it takes.
  static Hash body_of(const Chunk& chunk) {
    Buffer place;
    append_le(place, chunk.receipt.to);
    append_le(place, chunk.offset);
    append_le(place, uint64_t{chunk.items.size()});
    return crypto::sha256({place, chunk.receipt.prefix_sha256});
  }

  void add(const codec::Import& receipt, Tally& tally) {
    report_.read += receipt.read;
    report_.stored += receipt.stored;
    report_.parked += receipt.parked;
    if (receipt.first) report_.first = std::min(report_.first.value_or(*receipt.first), *receipt.first);
    if (receipt.last) report_.last = std::max(report_.last.value_or(*receipt.last), *receipt.last);
    report_.out_of_order += tally.out_of_order;
    report_.duplicate_ids += tally.duplicate_ids;
    report_.duplicate_ids_partial |= tally.duplicate_ids_partial;
    for (size_t i = 0; i < tally.fills.size(); ++i) report_.fills[i].count += tally.fills[i];
    for (std::string& sample : tally.samples) report_.samples.push_back(std::move(sample));
  }

  Importer& importer_;
  const os::File& file_;
  const RunOptions options_;
  registry::Schema schema_;
  std::atomic<uint32_t> chunk_events_;  // of the next chunk at most; the reading thread reads it
  uint32_t calm_ = 0;                   // chunks in a row that could be handed over
  std::unique_ptr<Input> input_;        // the reading thread's, from commit_all() on
  Resume resume_;
  Report report_;
  bool protects_ = false;
  std::vector<Reject> rejects_;  // of the chunk at hand
  bool refused_ = false;         // a chunk was a conflict, or too large
  bool begun_ = false;
  uint64_t own_ = 0;              // records that this run has seen stored, among those that it reads past
  std::optional<Hash> conflict_;  // where it begins
};

}  // namespace

void add(Report& to, Report behind) {
  to.read += behind.read;
  to.stored += behind.stored;
  to.parked += behind.parked;
  to.skipped += behind.skipped;
  to.stored_meanwhile += behind.stored_meanwhile;
  to.nothing_new &= behind.nothing_new;
  if (behind.first) to.first = std::min(to.first.value_or(*behind.first), *behind.first);
  if (behind.last) to.last = std::max(to.last.value_or(*behind.last), *behind.last);
  to.out_of_order += behind.out_of_order;
  to.duplicate_ids += behind.duplicate_ids;
  to.duplicate_ids_partial |= behind.duplicate_ids_partial;
  if (!to.first_seq) to.first_seq = behind.first_seq;
  to.sha256 = behind.sha256;
  if (to.fills.empty()) {
    to.fills = std::move(behind.fills);
  } else {
    for (size_t i = 0; i < behind.fills.size(); ++i) to.fills[i].count += behind.fills[i].count;
  }
  const auto append = [](auto& list, auto& more) {
    list.insert(list.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  };
  append(to.samples, behind.samples);
  append(to.rejects, behind.rejects);
  append(to.warnings, behind.warnings);
  to.cancelled = behind.cancelled;
  to.overtaken = behind.overtaken;
}

Result<Report> Importer::run(const os::File& input, const RunOptions& options) {
  return Run(*this, input, options).go();
}

bool protects(const Mapper& mapper, const registry::Schema& schema) {
  if (registry::seals_content(schema)) return true;
  for (const codec::TypeSchema& type : mapper.types()) {
    for (const codec::FieldSchema& field : type.fields) {
      const codec::FieldSchema* known = schema.field(type.name, field.name);
      if (!field.rule.none() || (known != nullptr && !known->rule.none())) return true;
    }
  }
  for (const codec::ColumnSchema& column : mapper.columns()) {
    const codec::ColumnSchema* known = schema.column(std::string_view(column.name));
    if (!column.rule.none() || (known != nullptr && !known->rule.none())) return true;
  }
  return false;
}

Result<std::vector<codec::Statement>> missing_definitions(const Mapper& mapper, const registry::Schema& schema) {
  std::vector<codec::Statement> missing;
  for (codec::TypeSchema type : mapper.types()) {
    const codec::TypeSchema* known = schema.type(type.name);
    if (known != nullptr) {
      // What the root has stays; named is only what the mapper lacks there.
      codec::TypeSchema named{type.name, {}};
      for (const codec::FieldSchema& field : type.fields) {
        const codec::FieldSchema* same = schema.field(type.name, field.name);
        if (same == nullptr) named.fields.push_back(field);
        if (same != nullptr && same->kind != field.kind) {
          return Error{Code::kConflict, "type '" + type.name + "': field '" + field.name + "' is " +
                                            std::string(name(same->kind)) + " in this root, format " +
                                            std::string(mapper.format()) + " needs " + std::string(name(field.kind))};
        }
        // A rule can still be given where there is none and the type has no entity yet: that the writer knows. Another
        // one than there is it refuses.
        if (same == nullptr || field.rule.none() || field.rule == same->rule) continue;
        codec::FieldSchema& ruled = named.fields.emplace_back(*same);
        ruled.rule = field.rule;
      }
      if (named.fields.empty()) continue;
      type = std::move(named);
    }
    KHIPU_TRY(registry::check_unused_type(schema, registry::with_others_kept(schema, type)));
    missing.push_back(codec::TypeStatement{std::move(type)});
  }
  for (const codec::ColumnSchema& column : mapper.columns()) {
    const codec::ColumnSchema* known = schema.column(column.name);
    const bool same_rule = known != nullptr && (column.rule.none() || column.rule == known->rule);
    if (known != nullptr && known->kind == column.kind && same_rule) continue;
    KHIPU_TRY(registry::check_column(schema, column));
    missing.push_back(codec::ColumnStatement{column});
  }
  return missing;
}

}  // namespace khipu::import

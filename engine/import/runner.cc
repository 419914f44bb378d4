#include "engine/import/runner.h"

#include <algorithm>
#include <thread>

#include "engine/crypto/wipe_freed.h"
#include "engine/import/chunk.h"
#include "engine/import/protecting.h"
#include "engine/import/resume.h"
#include "engine/registry/guard.h"

namespace khipu::import {
namespace {

constexpr size_t kRejectsMax = 100;

// One run over one input. Owner: one thread, which commits; lives as long as Importer::run. Two more work ahead of it,
// one reads and one maps, so a chunk is made while the one before it syncs. One commit is under way at a time: were the
// next one handed in as well and this one refused, the next one's receipt would hide the gap for ever.
class Run {
 public:
  Run(Importer& importer, const os::File& file, const RunOptions& options)
      : importer_(importer), file_(file), options_(options), schema_(importer.schema) {
    report_.fills = ChunkMapper::fills(importer.mapper);
    report_.source = options.source;
    report_.format = importer.mapper.format();
  }

  Result<Report> go() {
    KHIPU_TRY_ASSIGN(input_, Input::open(file_));
    KHIPU_TRY_ASSIGN(resume_, find_resume(file_, input_->compressed(), importer_.mapper.format(),
                                          importer_.mapper.mapping(), importer_.earlier, importer_.receipt_key));
    report_.earlier = resume_.earlier;
    if (resume_.nothing_new && !options_.dry_run) {
      report_.nothing_new = true;
      report_.sha256 = resume_.sha256;
      return std::move(report_);
    }
    if (resume_.undecided && !options_.dry_run) {
      return Error{Code::kForbidden,
                   "inputs with protected values were imported in this format before, and only the writer's index.key "
                   "can tell whether this is one of them: import as a user who may read it"};
    }
    if (options_.dry_run) resume_.at = resume_.skip_records = 0;  // a trial looks at all of it
    report_.resumed_at = resume_.at;
    KHIPU_TRY(define());
    KHIPU_TRY(commit_all());
    return std::move(report_);
  }

 private:
  Result<void> define() {
    KHIPU_TRY_ASSIGN(std::vector<codec::Statement> missing, missing_definitions(importer_.mapper, schema_));
    for (const codec::Statement& statement : missing) {
      if (const auto* type = std::get_if<codec::TypeStatement>(&statement)) schema_.apply(type->type);
      if (const auto* column = std::get_if<codec::ColumnStatement>(&statement)) schema_.apply(column->column);
    }
    protects_ = protects(importer_.mapper, schema_);
    if (protects_) crypto::wipe_freed_memory();  // before the first record is read
    if (missing.empty() || options_.dry_run) return {};
    // A commit of their own: the writer validates events against the definitions in force when they are handed in.
    ingest::Batch batch;
    batch.statements = std::move(missing);
    if (auto result = importer_.sink.submit(std::move(batch)); !result.ok()) {
      return std::move(result).error().at("defining types and columns");
    }
    return {};
  }

  Result<void> commit_all() {
    ChunkReader reader(*input_, importer_.mapper.source(), resume_, options_);
    ChunkMapper mapper(importer_.mapper, schema_, options_, importer_.clock, protects_);
    Chunks cut(1), mapped(1);
    Result<void> read, committed;
    std::thread reading([&] { read = reader.run(cut); });
    std::thread mapping([&] { mapper.run(cut, mapped); });
    while (std::optional<std::unique_ptr<Chunk>> chunk = mapped.take()) {
      committed = flush(**chunk);
      if (!committed.ok() || report_.cancelled) break;
    }
    mapped.abandon();
    mapping.join();
    reading.join();
    KHIPU_TRY(std::move(committed));
    return report_.cancelled ? Result<void>() : std::move(read);
  }

  Result<void> park(const Chunk::Parked& record) {
    std::string reason = protects_ ? reason_without_values(record.reason) : record.reason;
    if (record.raw.size() < record.size) {
      reason +=
          "; kept are the first " + std::to_string(record.raw.size()) + " of " + std::to_string(record.size) + " bytes";
    }
    if (report_.rejects.size() < kRejectsMax) report_.rejects.push_back({record.line, record.offset, reason});
    if (options_.dry_run) return {};
    return importer_.parking.park(
        {options_.source, importer_.mapper.format(), record.line, record.offset, reason, record.raw, protects_});
  }

  // Commits the chunk with its receipt. The order is in runner.h.
  Result<void> flush(Chunk& chunk) {
    codec::Import& receipt = chunk.receipt;
    report_.skipped = chunk.skipped;
    report_.sha256 = receipt.prefix_sha256;
    report_.warnings.insert(report_.warnings.end(), chunk.told.begin(), chunk.told.end());
    if (options_.cancelled && options_.cancelled()) {
      report_.cancelled = true;
      return {};
    }
    for (const Chunk::Parked& record : chunk.parked) KHIPU_TRY(park(record));
    if (!options_.dry_run) {
      KHIPU_TRY(importer_.parking.sync());
      receipt.source = options_.source;
      receipt.format = importer_.mapper.format();
      receipt.mapping = importer_.mapper.mapping();
      receipt.keyed = protects_;
      const bool events = !chunk.batch.events.empty();
      chunk.batch.statements.push_back(receipt);
      auto first_seq = importer_.sink.submit(std::move(chunk.batch));
      if (!first_seq.ok())
        return std::move(first_seq).error().at("storing records up to byte " + std::to_string(receipt.to));
      if (events && !report_.first_seq) report_.first_seq = *first_seq;
    }
    add(receipt, chunk.tally);
    if (options_.progress) {
      options_.progress({chunk.offset, input_->compressed() ? 0 : resume_.size, report_.read});
    }
    return {};
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
  const RunOptions& options_;
  registry::Schema schema_;
  std::unique_ptr<Input> input_;  // the reading thread's, from commit_all() on
  Resume resume_;
  Report report_;
  bool protects_ = false;
};

}  // namespace

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
      // What the root has beyond the mapper's definition stays; only what the mapper lacks there is added.
      codec::TypeSchema merged = *known;
      for (const codec::FieldSchema& field : type.fields) {
        const codec::FieldSchema* same = schema.field(type.name, field.name);
        if (same == nullptr) merged.fields.push_back(field);
        if (same != nullptr && same->kind != field.kind) {
          return Error{Code::kConflict, "type '" + type.name + "': field '" + field.name + "' is " +
                                            std::string(name(same->kind)) + " in this root, format " +
                                            std::string(mapper.format()) + " needs " + std::string(name(field.kind))};
        }
      }
      // A rule that differs can still be taken where the type has no entity yet: that the writer knows.
      for (codec::FieldSchema& field : merged.fields) {
        const auto wanted = std::find_if(type.fields.begin(), type.fields.end(),
                                         [&](const codec::FieldSchema& other) { return other.name == field.name; });
        if (wanted != type.fields.end() && !wanted->rule.none()) field.rule = wanted->rule;
      }
      if (merged == *known) continue;
      type = std::move(merged);
    }
    KHIPU_TRY(registry::check_unused_type(schema, type));
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

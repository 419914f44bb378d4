#include "engine/import/runner.h"

#include <algorithm>
#include <functional>
#include <unordered_set>

#include "engine/import/canonical_text.h"
#include "engine/import/protecting.h"
#include "engine/import/resume.h"
#include "engine/import/splitter.h"
#include "engine/ingest/validate.h"
#include "engine/registry/guard.h"

namespace khipu::import {
namespace {

constexpr size_t kSamplesMax = 10;
constexpr size_t kRejectsMax = 100;
constexpr size_t kIdsMax = 1 << 20;
constexpr uint64_t kProgressEvery = 1000;

// One run over one input. Owner: one thread; lives as long as Importer::run.
class Run {
 public:
  Run(Importer& importer, const os::File& file, const RunOptions& options)
      : importer_(importer), file_(file), options_(options), schema_(importer.schema) {
    for (const char* member : {"occurred_at", "action_class", "outcome", "targets", "url", "source", "source_ip",
                               "event_id", "session", "on_behalf_of", "content"}) {
      report_.fills.push_back({member, 0});
    }
    builtin_ = report_.fills.size();
    for (const auto& column : importer.mapper.columns()) report_.fills.push_back({"custom." + column.name, 0});
    report_.source = options.source;
    report_.format = importer.mapper.format();
  }

  Result<Report> go() {
    KHIPU_TRY_ASSIGN(input_, Input::open(file_));
    KHIPU_TRY_ASSIGN(resume_, find_resume(file_, input_->compressed(), importer_.mapper.format(),
                                          importer_.mapper.mapping(), importer_.earlier));
    report_.earlier = resume_.earlier;
    if (resume_.nothing_new && !options_.dry_run) {
      report_.nothing_new = true;
      report_.sha256 = resume_.sha256;
      return std::move(report_);
    }
    if (options_.dry_run) resume_.at = resume_.skip_records = 0;  // a trial looks at all of it
    report_.resumed_at = resume_.at;
    from_ = resume_.at;
    KHIPU_TRY(define());
    KHIPU_TRY_ASSIGN(const std::unique_ptr<Splitter> splitter, make_splitter(*input_, importer_.mapper.source()));
    KHIPU_TRY(read_all(*splitter));
    for (const std::string& warning : splitter->warnings()) report_.warnings.push_back(warning);
    if (!input_->damage().empty()) report_.warnings.push_back(input_->damage());
    report_.sha256 = input_->compressed() ? resume_.sha256 : input_->prefix_hash();
    return std::move(report_);
  }

 private:
  Result<void> define() {
    KHIPU_TRY_ASSIGN(std::vector<codec::Statement> missing, missing_definitions(importer_.mapper, schema_));
    for (const codec::Statement& statement : missing) {
      if (const auto* type = std::get_if<codec::TypeStatement>(&statement)) schema_.apply(type->type);
      if (const auto* column = std::get_if<codec::ColumnStatement>(&statement)) schema_.apply(column->column);
    }
    find_protected();
    if (missing.empty() || options_.dry_run) return {};
    // A commit of their own: the writer validates events against the definitions in force when they are handed in.
    ingest::Batch batch;
    batch.statements = std::move(missing);
    if (auto result = importer_.sink.submit(std::move(batch)); !result.ok()) {
      return std::move(result).error().at("defining types and columns");
    }
    return {};
  }

  // Records that fill a protected field hold its values in their own bytes as well.
  void find_protected() {
    protects_ = registry::seals_content(schema_);
    for (const codec::TypeSchema& type : importer_.mapper.types()) {
      for (const codec::FieldSchema& field : type.fields) {
        const codec::FieldSchema* known = schema_.field(type.name, field.name);
        protects_ |= known != nullptr && !known->rule.none();
      }
    }
    for (const codec::ColumnSchema& column : importer_.mapper.columns()) {
      const codec::ColumnSchema* known = schema_.column(std::string_view(column.name));
      protects_ |= known != nullptr && !known->rule.none();
    }
    batch_.seal_content = protects_;
  }

  Result<void> read_all(Splitter& splitter) {
    for (;;) {
      KHIPU_TRY_ASSIGN(const std::optional<Item> item, splitter.next());
      // The input now stands at the beginning of this record: everything before it is dealt with.
      if (!item) return flush(true);
      if (full()) KHIPU_TRY(flush(false));
      if (report_.cancelled) return {};
      if (skip(*item)) continue;
      ++chunk_.read;
      KHIPU_TRY(take(*item));
      if (options_.progress && (report_.read + chunk_.read) % kProgressEvery == 0) tell();
    }
  }

  bool skip(const Item& item) {
    const bool known = input_->compressed() ? report_.skipped < resume_.skip_records : item.end <= resume_.at;
    if (known) ++report_.skipped;
    return known;
  }

  bool full() const {
    return batch_.events.size() >= std::min(options_.chunk_events, options_.limits.batch_events_max) ||
           chunk_size_ >= options_.chunk_size_bytes || chunk_.parked >= options_.chunk_events;
  }

  Result<void> take(const Item& item) {
    if (!item.damage.empty()) return park(item, item.damage);
    if (auto mapped = importer_.mapper.map({item.raw, item.inner}, batch_); !mapped.ok()) {
      return park(item, mapped.error().message);
    }
    const ingest::Event& event = batch_.events.back();
    if (auto valid = ingest::validate(event, schema_, options_.limits, importer_.clock.now()); !valid.ok()) {
      batch_.events.pop_back();
      return park(item, valid.error().message);
    }
    count(event);
    ++chunk_.stored;
    chunk_size_ += event.content.size();
    return {};
  }

  Result<void> park(const Item& item, std::string_view why) {
    ++chunk_.parked;
    std::string reason = protects_ ? reason_without_values(why) : std::string(why);
    Bytes raw = item.raw;
    if (!item.damage.empty() && raw.size() > kDamageWholeBytesMax) {
      raw = raw.first(kDamageKeptBytes);
      reason +=
          "; kept are the first " + std::to_string(raw.size()) + " of " + std::to_string(item.raw.size()) + " bytes";
    }
    if (report_.rejects.size() < kRejectsMax) {
      report_.rejects.push_back({item.line, item.offset, std::string(reason)});
    }
    if (options_.dry_run) return {};
    return importer_.parking.park(
        {options_.source, importer_.mapper.format(), item.line, item.offset, reason, raw, protects_});
  }

  void count(const ingest::Event& event) {
    const bool there[] = {event.occurred_at.has_value(),
                          event.action_class != codec::ActionClass::kOther,
                          event.outcome != codec::Outcome::kUnknown,
                          !event.targets.empty(),
                          !event.url.empty(),
                          !event.source.empty(),
                          !event.source_ip.empty(),
                          !event.event_id.empty(),
                          !event.session.empty(),
                          event.on_behalf_of.has_value(),
                          event.content_kind != codec::ContentKind::kNone};
    static_assert(std::size(there) == 11);
    for (size_t i = 0; i < builtin_; ++i) report_.fills[i].count += there[i] ? 1 : 0;
    for (const ingest::ColumnInput& column : event.custom) {
      for (size_t i = builtin_; i < report_.fills.size(); ++i) {
        if (std::string_view(report_.fills[i].member).substr(7) == column.name) ++report_.fills[i].count;
      }
    }
    if (report_.samples.size() < kSamplesMax && !protects_) report_.samples.push_back(event_text(event));
    if (event.occurred_at) {
      const TimeUs time = *event.occurred_at;
      if (previous_ && time < *previous_) ++report_.out_of_order;
      previous_ = time;
      chunk_.first = std::min(chunk_.first.value_or(time), time);
      chunk_.last = std::max(chunk_.last.value_or(time), time);
    }
    if (event.event_id.empty()) return;
    const size_t id = std::hash<std::string_view>{}(event.event_id);
    if (ids_.contains(id)) {
      ++report_.duplicate_ids;
    } else if (ids_.size() < kIdsMax) {
      ids_.insert(id);
    } else {
      report_.duplicate_ids_partial = true;
    }
  }

  // Commits the chunk with its receipt. The order is in runner.h.
  Result<void> flush(bool done) {
    if (options_.cancelled && options_.cancelled()) {
      report_.cancelled = true;
      return {};
    }
    if (!options_.dry_run) {
      KHIPU_TRY(importer_.parking.sync());
      chunk_.source = options_.source;
      chunk_.format = importer_.mapper.format();
      chunk_.mapping = importer_.mapper.mapping();
      chunk_.from = input_->compressed() ? 0 : from_;
      chunk_.to = input_->compressed() ? resume_.size : input_->offset();
      chunk_.prefix_sha256 = input_->compressed() ? resume_.sha256 : input_->prefix_hash();
      chunk_.done = done;
      const bool events = !batch_.events.empty();
      batch_.statements.push_back(chunk_);
      auto first_seq = importer_.sink.submit(std::move(batch_));
      if (!first_seq.ok())
        return std::move(first_seq).error().at("storing records up to byte " + std::to_string(chunk_.to));
      if (events && !report_.first_seq) report_.first_seq = *first_seq;
    }
    report_.read += chunk_.read;
    report_.stored += chunk_.stored;
    report_.parked += chunk_.parked;
    if (chunk_.first) report_.first = std::min(report_.first.value_or(*chunk_.first), *chunk_.first);
    if (chunk_.last) report_.last = std::max(report_.last.value_or(*chunk_.last), *chunk_.last);
    from_ = input_->offset();
    chunk_ = {};
    chunk_size_ = 0;
    batch_ = ingest::Batch();
    batch_.seal_content = protects_;
    if (options_.progress) tell();
    return {};
  }

  void tell() {
    options_.progress({input_->offset(), input_->compressed() ? 0 : resume_.size, report_.read + chunk_.read});
  }

  Importer& importer_;
  const os::File& file_;
  const RunOptions& options_;
  registry::Schema schema_;
  std::unique_ptr<Input> input_;
  Resume resume_;
  Report report_;
  size_t builtin_ = 0;
  bool protects_ = false;
  ingest::Batch batch_;
  codec::Import chunk_;  // the receipt in the making
  size_t chunk_size_ = 0;
  uint64_t from_ = 0;
  std::optional<TimeUs> previous_;
  std::unordered_set<size_t> ids_;
};

}  // namespace

Result<Report> Importer::run(const os::File& input, const RunOptions& options) {
  return Run(*this, input, options).go();
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

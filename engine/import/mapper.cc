#include "engine/import/mapper.h"

#include "engine/ingest/near_name.h"

namespace khipu::import {

Result<std::unique_ptr<Mapper>> make_mapper(std::string_view format, std::string_view mapping_text) {
  static constexpr std::string_view kFormats[] = {"cloudtrail", "kubernetes", "journald", "jsonl"};
  if (format == "jsonl") {
    if (mapping_text.empty()) return Error{Code::kInvalid, "format jsonl needs a mapping file: --mapping FILE"};
    return make_jsonl_mapper(mapping_text);
  }
  std::unique_ptr<Mapper> mapper;
  if (format == "cloudtrail") mapper = make_cloudtrail_mapper();
  if (format == "kubernetes") mapper = make_kubernetes_mapper();
  if (format == "journald") mapper = make_journald_mapper();
  if (mapper == nullptr) {
    return Error{Code::kInvalid, "unknown format " + ingest::quoted(format) + ingest::did_you_mean(format, kFormats) +
                                     ": one of cloudtrail, kubernetes, journald, jsonl"};
  }
  if (!mapping_text.empty()) {
    return Error{Code::kInvalid, "format " + std::string(format) + " takes no mapping file; jsonl does"};
  }
  return mapper;
}

}  // namespace khipu::import

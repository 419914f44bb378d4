#include "engine/writer/publisher.h"

namespace khipu::writer {

Result<std::unique_ptr<HeadFile>> HeadFile::open(os::Directory& root, uint64_t sequence, size_t last_slot) {
  KHIPU_TRY_ASSIGN(std::unique_ptr<os::File> file, root.open_file(segment::kHeadName, os::Mode::kCreate, 0644));
  std::unique_ptr<HeadFile> head(new HeadFile(std::move(file)));
  head->sequence_ = sequence;
  head->slot_ = last_slot;
  return head;
}

Result<void> HeadFile::write(segment::Head& head) {
  slot_ = 1 - slot_;
  head.sequence = ++sequence_;
  return at(segment::kHeadName, file_->write_at(slot_ * segment::kHeadSlotStride, segment::encode_head(head)));
}

Result<void> sync_files(const Job& job) {
  KHIPU_TRY(at("logs", at(segment::segment_name(job.head.commit_segment),
                          job.frame.file->write_at(job.frame.offset, job.frame.bytes))));
  if (job.dirty.size() > 1) {
    for (const auto& file : job.dirty) file->start_sync();
  }
  for (const auto& file : job.dirty) KHIPU_TRY(file->sync_data());
  return {};
}

}  // namespace khipu::writer

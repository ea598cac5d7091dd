#include "node/context.h"

#include <cstring>
#include <new>

#include "mapping/claims.h"

namespace pmem {

namespace {

void* array_buffer(napi_env env, size_t bytes, napi_ref* reference) {
  void* data = nullptr;
  napi_value buffer;
  if (napi_create_arraybuffer(env, bytes, &data, &buffer) != napi_ok) return nullptr;
  if (napi_create_reference(env, buffer, 1, reference) != napi_ok) return nullptr;
  return data;
}

}  // namespace

Context* Context::create(napi_env env) {
  Context* context = new (std::nothrow) Context();
  if (context == nullptr) return nullptr;
  void* mailbox = array_buffer(env, Mailbox::kSlots * sizeof(double), &context->mailbox_reference_);
  if (mailbox == nullptr) {
    delete context;
    return nullptr;
  }
  context->mailbox_ = static_cast<double*>(mailbox);
  return context;
}

void Context::release() {
  if (--references_ == 0) delete this;
}

void Context::close_all() {
  abandon_claims_of(this);
  for (Entry& entry : entries_) {
    Mapping* mapping = entry.mapping;
    if (mapping == nullptr) continue;
    entry.mapping = nullptr;
    entry.generation++;
    mapping->close_handle();
  }
  flushed_.clear();
  while (locks_ != nullptr) {
    KeptLock* kept = locks_;
    forget(kept);
    kept->lock.reset();
  }
}

void Context::keep(KeptLock* kept) {
  kept->next = locks_;
  kept->link = &locks_;
  if (locks_ != nullptr) locks_->link = &kept->next;
  locks_ = kept;
}

void Context::forget(KeptLock* kept) {
  if (kept->link == nullptr) return;
  *kept->link = kept->next;
  if (kept->next != nullptr) kept->next->link = kept->link;
  kept->link = nullptr;
}

double Context::add(Mapping* mapping) {
  uint32_t place;
  if (!free_.empty()) {
    place = free_.back();
    free_.pop_back();
  } else {
    if (entries_.size() == kMostPlaces) return -1;
    place = static_cast<uint32_t>(entries_.size());
    entries_.push_back({nullptr, nullptr, 0});
  }
  Flushed& flushed = flushed_[mapping];
  flushed.handles++;
  entries_[place].mapping = mapping;
  entries_[place].flushed_end = &flushed.end;
  return static_cast<double>((static_cast<uint64_t>(entries_[place].generation) << kPlaceBits) | place);
}

Mapping* Context::remove(double handle) {
  Entry* found = entry(handle);
  if (found == nullptr) return nullptr;
  Mapping* mapping = found->mapping;
  found->mapping = nullptr;
  found->generation++;
  const auto flushed = flushed_.find(mapping);
  if (--flushed->second.handles == 0) flushed_.erase(flushed);
  free_.push_back(static_cast<uint32_t>(found - entries_.data()));
  return mapping;
}

void Context::note_flushed(const Mapping* mapping, off_t end) {
  const auto found = flushed_.find(mapping);
  if (found != flushed_.end() && end > found->second.end) found->second.end = end;
}

uint64_t Context::word() const {
  uint64_t value;
  memcpy(&value, mailbox_ + Mailbox::kWord, sizeof(value));
  return value;
}

uint32_t Context::half(Mailbox::Slot slot, size_t which) const {
  uint32_t value;
  memcpy(&value, reinterpret_cast<const uint8_t*>(mailbox_ + slot) + which * sizeof(value), sizeof(value));
  return value;
}

void Context::set_word(uint64_t value) { memcpy(mailbox_ + Mailbox::kWord, &value, sizeof(value)); }

void Context::report_details(int status, const Mapping* mapping, const Fault& fault) {
  if (status == kFault) {
    mailbox_[Mailbox::kFaultSignal] = fault.signal;
    mailbox_[Mailbox::kFaultOffset] = offset_of(mapping, fault);
    mailbox_[Mailbox::kResult] = fault.code;
  } else if (status == kDamaged) {
    mailbox_[Mailbox::kResult] = static_cast<double>(mapping->damage());
    mailbox_[Mailbox::kFaultOffset] = static_cast<double>(mapping->damage_offset());
  }
}

double offset_of(const Mapping* mapping, const Fault& fault) {
  const uintptr_t begin = reinterpret_cast<uintptr_t>(mapping->base());
  const uintptr_t at = reinterpret_cast<uintptr_t>(fault.address);
  return at >= begin && at - begin < mapping->length() ? static_cast<double>(at - begin) : -1;
}

}  // namespace pmem

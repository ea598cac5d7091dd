#include "node/fast.h"

#include "node/context.h"
#include "store/blocks.h"
#include "store/durable.h"

namespace pmem {

namespace {

Context* context_of(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  return static_cast<Context*>(data);
}

// Runs an operation on the range that the mailbox names, and puts its outcome there.
template <typename Operation>
napi_value on_span(napi_env env, napi_callback_info info, const Operation& operation) {
  Context* context = context_of(env, info);
  Span span = {};
  Fault fault = {};
  int status = context->span(context->slot(Mailbox::kOffset), context->slot(Mailbox::kLength), &span);
  if (status == kOk) status = operation(*context, span, &fault);
  context->report(status, span.mapping, fault);
  return nullptr;
}

Completion completion_of(double value) { return static_cast<Completion>(static_cast<int>(value)); }

napi_value fast_flush(napi_env env, napi_callback_info info) {
  return on_span(env, info, [](Context&, const Span& span, Fault*) { return flush(span); });
}

napi_value fast_persist(napi_env env, napi_callback_info info) {
  return on_span(env, info, [](Context&, const Span& span, Fault* fault) { return persist(span, fault); });
}

napi_value fast_drain(napi_env env, napi_callback_info info) {
  return on_span(env, info, [](Context&, const Span& span, Fault* fault) { return drain(span, fault); });
}

napi_value fast_check_file(napi_env env, napi_callback_info info) {
  return on_span(env, info, [](Context&, const Span& span, Fault*) { return check_file(span); });
}

// Flushes the pairs of offset and length in the mailbox, without draining.
napi_value fast_flush_ranges(napi_env env, napi_callback_info info) {
  Context* context = context_of(env, info);
  const double count = context->slot(Mailbox::kExtra);
  const double* ranges = context->ranges();
  Span span = {};
  Fault fault = {};
  int status = count >= 0 && count <= Mailbox::kMostRanges ? kOk : kRange;
  for (size_t i = 0; status == kOk && i < static_cast<size_t>(count); i++) {
    status = context->span(ranges[2 * i], ranges[2 * i + 1], &span);
    if (status == kOk) status = flush(span);
  }
  context->report(status, span.mapping, fault);
  return nullptr;
}

napi_value fast_fill(napi_env env, napi_callback_info info) {
  return on_span(env, info, [](Context& context, const Span& span, Fault* fault) {
    const uint8_t byte = static_cast<uint8_t>(context.slot(Mailbox::kResult));
    return fill(span, byte, completion_of(context.slot(Mailbox::kExtra)), fault);
  });
}

napi_value fast_load64(napi_env env, napi_callback_info info) {
  return on_span(env, info, [](Context& context, const Span& span, Fault* fault) {
    uint64_t value = 0;
    const int status = load64(span, &value, fault);
    context.set_word(value);
    return status;
  });
}

napi_value fast_store64(napi_env env, napi_callback_info info) {
  return on_span(env, info,
                 [](Context& context, const Span& span, Fault* fault) { return store64(span, context.word(), fault); });
}

// The entry that the mailbox names.
int entry_of(const Context& context, const Span& span, BlockEntry* entry) {
  Span& word = entry->word;
  // Not a copy of the span, nor by value below: 16 bytes loaded at once of what was stored 8 bytes at a time cost 5 ns,
  // because the store cannot be forwarded.
  word.mapping = span.mapping;
  word.flushed_end = span.flushed_end;
  if (const int failed = Context::range(context.slot(Mailbox::kEntry), sizeof(uint32_t), &word)) return failed;
  if (word.offset % sizeof(uint32_t) != 0) return kRange;
  entry->high = word.offset % sizeof(uint64_t) != 0;
  word.offset -= word.offset % sizeof(uint64_t);
  word.length = sizeof(uint64_t);
  entry->tag = context.half(Mailbox::kTag, 0);
  entry->blocks = context.half(Mailbox::kTag, 1);
  return span.mapping->length() - word.offset >= word.length ? kOk : kRange;
}

// The span of a block, from the mailbox's offset of the first block, stride and length.
int block_span(const Context& context, const Span& first, uint32_t block, Span* span) {
  span->mapping = first.mapping;
  span->flushed_end = first.flushed_end;
  const double offset = context.slot(Mailbox::kOffset) + block * context.slot(Mailbox::kStride);
  return Context::range(offset, static_cast<double>(first.length), span);
}

int read_block(Context& context, const Span& first, uint8_t* target, Fault* fault) {
  BlockEntry entry = {};
  Span span = {};
  uint64_t word = 0;
  uint32_t block = 0;
  if (const int failed = entry_of(context, first, &entry)) return failed;
  if (const int failed = load_entry(entry, &word, &block, fault)) return failed;
  if (const int failed = block_span(context, first, block, &span)) return failed;
  return read(span, target, fault);
}

int exchange_block(Context& context, const Span& first, const uint8_t* source, Fault* fault) {
  BlockEntry entry = {};
  Span data = {};
  Record record = {{first.mapping, 0, 0, first.flushed_end},
                   context.half(Mailbox::kIndex, 0),
                   context.half(Mailbox::kBlock, 0),
                   context.half(Mailbox::kBlock, 1)};
  if (const int failed = entry_of(context, first, &entry)) return failed;
  const double at = context.slot(Mailbox::kRecord);
  if (const int failed = Context::range(at, 2 * sizeof(uint64_t), &record.span)) return failed;
  if (const int failed = block_span(context, first, record.block, &data)) return failed;
  uint32_t before = 0;
  bool begun = false;
  const int status = exchange(entry, data, source, record, &before, &begun, fault);
  context.set_result(before);
  if (begun) context.set_begun();
  return status;
}

napi_value fast_crc32c(napi_env env, napi_callback_info info) {
  return on_span(env, info, [](Context& context, const Span& span, Fault* fault) {
    uint32_t crc = static_cast<uint32_t>(context.slot(Mailbox::kExtra));
    const int status = crc32c(span, &crc, fault);
    if (status == kOk) context.set_result(crc);
    return status;
  });
}

// The bytes to copy from or to, as many as the span has. Each call asks V8 for them and remembers nothing: JavaScript
// can end, or another call begin, between any two of its statements.
//
// All of a Uint8Array. Its length is checked here: an array can lie to JavaScript about it.
bool bytes_of_array(napi_env env, napi_value value, const Context&, size_t length, uint8_t** bytes) {
  void* data = nullptr;
  napi_typedarray_type type;
  size_t count = 0;
  if (napi_get_typedarray_info(env, value, &type, &count, &data, nullptr, nullptr) != napi_ok) return false;
  *bytes = static_cast<uint8_t*>(data);
  return type == napi_uint8_array && count == length && (data != nullptr || count == 0);
}

// The part of an ArrayBuffer that the mailbox names: found in a third of the time.
bool bytes_of_part(napi_env env, napi_value value, const Context& context, size_t length, uint8_t** bytes) {
  void* data = nullptr;
  size_t size = 0;
  size_t at = 0;
  if (napi_get_arraybuffer_info(env, value, &data, &size) != napi_ok || data == nullptr) return false;
  *bytes = static_cast<uint8_t*>(data);
  if (!context.at(&at) || at > size || length > size - at) return false;
  *bytes += at;
  return true;
}

// Template parameters, so that the compiler can inline both.
template <auto find, auto operation>
napi_value with_bytes(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  void* data = nullptr;
  napi_get_cb_info(env, info, &count, &argument, nullptr, &data);
  Context* context = static_cast<Context*>(data);
  Span span = {};
  Fault fault = {};
  uint8_t* bytes = nullptr;
  int status = context->span(context->slot(Mailbox::kOffset), context->slot(Mailbox::kLength), &span);
  if (status == kOk && !find(env, argument, *context, span.length, &bytes)) status = kRange;
  if (status == kOk) status = operation(*context, span, bytes, &fault);
  context->report(status, span.mapping, fault);
  return nullptr;
}

int write_bytes(Context& context, const Span& span, const uint8_t* source, Fault* fault) {
  return write(span, source, completion_of(context.slot(Mailbox::kExtra)), fault);
}

int read_bytes(Context&, const Span& span, uint8_t* target, Fault* fault) { return read(span, target, fault); }

napi_value fast_write(napi_env env, napi_callback_info info) {
  return with_bytes<bytes_of_array, write_bytes>(env, info);
}

napi_value fast_write_part(napi_env env, napi_callback_info info) {
  return with_bytes<bytes_of_part, write_bytes>(env, info);
}

napi_value fast_read(napi_env env, napi_callback_info info) {
  return with_bytes<bytes_of_array, read_bytes>(env, info);
}

napi_value fast_read_part(napi_env env, napi_callback_info info) {
  return with_bytes<bytes_of_part, read_bytes>(env, info);
}

napi_value fast_read_block(napi_env env, napi_callback_info info) {
  return with_bytes<bytes_of_array, read_block>(env, info);
}

napi_value fast_read_block_part(napi_env env, napi_callback_info info) {
  return with_bytes<bytes_of_part, read_block>(env, info);
}

napi_value fast_exchange_block(napi_env env, napi_callback_info info) {
  return with_bytes<bytes_of_array, exchange_block>(env, info);
}

napi_value fast_exchange_block_part(napi_env env, napi_callback_info info) {
  return with_bytes<bytes_of_part, exchange_block>(env, info);
}

}  // namespace

bool add_fast_calls(napi_env env, napi_value exports, Context* context) {
  const struct {
    const char* name;
    napi_callback call;
  } calls[] = {
      {"flush", fast_flush},
      {"persist", fast_persist},
      {"drain", fast_drain},
      {"checkFile", fast_check_file},
      {"flushRanges", fast_flush_ranges},
      {"writePart", fast_write_part},
      {"readPart", fast_read_part},
      {"write", fast_write},
      {"read", fast_read},
      {"fill", fast_fill},
      {"load64", fast_load64},
      {"store64", fast_store64},
      {"readBlock", fast_read_block},
      {"readBlockPart", fast_read_block_part},
      {"exchangeBlock", fast_exchange_block},
      {"exchangeBlockPart", fast_exchange_block_part},
      {"crc32c", fast_crc32c},
  };
  for (const auto& one : calls) {
    napi_value function;
    if (napi_create_function(env, one.name, NAPI_AUTO_LENGTH, one.call, context, &function) != napi_ok) return false;
    if (napi_set_named_property(env, exports, one.name, function) != napi_ok) return false;
  }
  return true;
}

}  // namespace pmem

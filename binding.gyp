{
  "targets": [
    {
      "target_name": "pmem",
      "conditions": [
        [
          "OS=='linux'",
          {
            "sources": [
              "native/addon.cc",
              "native/addresses.cc",
              "native/async.cc",
              "native/blocks.cc",
              "native/claims.cc",
              "native/compat.cc",
              "native/context.cc",
              "native/copy.cc",
              "native/cpu.cc",
              "native/crc32c.cc",
              "native/durable.cc",
              "native/environment.cc",
              "native/errors.cc",
              "native/fast.cc",
              "native/fault.cc",
              "native/file_identity.cc",
              "native/files.cc",
              "native/handlers.cc",
              "native/handles.cc",
              "native/interrupted.cc",
              "native/locks.cc",
              "native/mapping.cc",
              "native/numa.cc",
              "native/pages.cc",
              "native/range_lock.cc",
              "native/stand_in.cc"
            ],
            "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
            # The last: in a worker that is being terminated nothing can be thrown any more, which is nothing to die of.
            "defines": [
              "NAPI_VERSION=8",
              "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS",
              "_FILE_OFFSET_BITS=64",
              "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"
            ],
            "cflags!": ["-fno-omit-frame-pointer"],
            "cflags": [
              "-O2",
              "-Wall",
              "-Wextra",
              "-Wno-unused-parameter",
              "-fvisibility=hidden",
              "-fstack-protector-strong"
            ],
            "cflags_cc!": ["-std=gnu++14", "-std=gnu++17", "-std=gnu++20"],
            "cflags_cc": ["-std=c++17", "-fno-exceptions", "-fno-rtti"],
            # The fault handler and the finalizers of Buffers outlive any one worker thread, so the code must never be unloaded.
            # libstdc++ is the one that Node.js has loaded already: linked in, its exceptions would need the newest glibc.
            # Nothing that a program calls through can be overwritten once it is loaded (full RELRO).
            "ldflags": ["-Wl,-z,nodelete", "-Wl,-z,relro", "-Wl,-z,now"],
            # Without optimization there is nothing that FORTIFY could know.
            "configurations": {
              "Release": { "cflags": ["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"] }
            },
            "variables": { "sanitize%": "" },
            "conditions": [
              ["target_arch=='x64'", { "sources": ["native/copy_x86.cc"] }],
              ["target_arch=='arm64'", { "sources": ["native/copy_arm64.cc"] }]
            ]
          },
          { "type": "none" }
        ]
      ]
    }
  ]
}

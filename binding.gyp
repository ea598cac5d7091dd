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
              "native/arch/cpu.cc",
              "native/compat.cc",
              "native/guard/fault.cc",
              "native/guard/handlers.cc",
              "native/guard/libuv.cc",
              "native/guard/stand_in.cc",
              "native/guard/thread_state.cc",
              "native/mapping/claims.cc",
              "native/mapping/map_file.cc",
              "native/mapping/mapping.cc",
              "native/mapping/reservation.cc",
              "native/node/array_buffers.cc",
              "native/node/async.cc",
              "native/node/context.cc",
              "native/node/errors.cc",
              "native/node/fast.cc",
              "native/node/files.cc",
              "native/node/handles.cc",
              "native/node/locks.cc",
              "native/node/numa.cc",
              "native/node/pages.cc",
              "native/node/process.cc",
              "native/store/blocks.cc",
              "native/store/copy.cc",
              "native/store/crc32c.cc",
              "native/store/durable.cc",
              "native/store/populate.cc",
              "native/system/environment.cc",
              "native/system/file_identity.cc",
              "native/system/range_lock.cc"
            ],
            "include_dirs": ["native", "<!(node -p \"require('node-addon-api').include_dir\")"],
            # The last: in a worker that is being terminated Node-API can throw nothing any more, and must not abort the process.
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
            # nodelete: the fault handler and the finalizers of Buffers outlive the worker thread that loaded the addon.
            # relro, now: the tables that calls go through cannot be overwritten (full RELRO).
            # libstdc++ is linked dynamically, as Node.js has loaded it: a static one would need the newest glibc.
            "ldflags": ["-Wl,-z,nodelete", "-Wl,-z,relro", "-Wl,-z,now"],
            # Release only: FORTIFY needs optimization.
            "configurations": {
              "Release": { "cflags": ["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"] }
            },
            "variables": { "sanitize%": "" },
            "conditions": [
              [
                "target_arch=='x64'",
                {
                  "sources": [
                    "native/arch/x86_64/can_load.cc",
                    "native/arch/x86_64/features.cc",
                    "native/arch/x86_64/kernels.cc",
                    "native/arch/x86_64/registers.cc"
                  ]
                }
              ],
              [
                "target_arch=='arm64'",
                {
                  "sources": [
                    "native/arch/arm64/can_load.cc",
                    "native/arch/arm64/features.cc",
                    "native/arch/arm64/kernels.cc",
                    "native/arch/arm64/registers.cc"
                  ]
                }
              ]
            ]
          },
          { "type": "none" }
        ]
      ]
    }
  ]
}

import type { Release } from './release.js';

/**
 * The TensorFlow that everything here is tested with. Hashes and sizes are those that the Python package index
 * (pypi.org) states. Only libraries are taken from a wheel, so the Python version in its name does not matter.
 * The `nvidia-*` wheels are those that the metadata of `tensorflow[and-cuda]` asks for: the CUDA 12.9 generation,
 * whose libraries also know the newest GPUs.
 */
export const pinnedRelease: Release = {
  version: '2.21.0',
  builds: [
    {
      build: 'cpu',
      platform: 'linux-x64',
      cc: 'tensorflow/libtensorflow_cc.so.2',
      framework: 'tensorflow/libtensorflow_framework.so.2',
      unpackedBytes: 853_308_936,
      wheels: [
        {
          package: 'tensorflow-cpu',
          version: '2.21.0',
          filename: 'tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl',
          bytes: 273_829_956,
          sha256: '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c',
        },
      ],
    },
    {
      build: 'cuda',
      platform: 'linux-x64',
      cc: 'tensorflow/libtensorflow_cc.so.2',
      framework: 'tensorflow/libtensorflow_framework.so.2',
      unpackedBytes: 5_442_387_632,
      wheels: [
        {
          package: 'tensorflow',
          version: '2.21.0',
          filename: 'tensorflow-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl',
          bytes: 572_440_367,
          sha256: '9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124',
        },
        {
          package: 'nvidia-cublas-cu12',
          version: '12.9.1.4',
          filename: 'nvidia_cublas_cu12-12.9.1.4-py3-none-manylinux_2_27_x86_64.whl',
          bytes: 581_242_350,
          sha256: '453611eb21a7c1f2c2156ed9f3a45b691deda0440ec550860290dc901af5b4c2',
        },
        {
          package: 'nvidia-cuda-cupti-cu12',
          version: '12.9.79',
          filename: 'nvidia_cuda_cupti_cu12-12.9.79-py3-none-manylinux_2_25_x86_64.whl',
          bytes: 10_814_997,
          sha256: '096bcf334f13e1984ba36685ad4c1d6347db214de03dbb6eebb237b41d9d934f',
        },
        {
          package: 'nvidia-cuda-nvcc-cu12',
          version: '12.9.86',
          filename: 'nvidia_cuda_nvcc_cu12-12.9.86-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl',
          bytes: 40_546_229,
          sha256: '5d6a0d32fdc7ea39917c20065614ae93add6f577d840233237ff08e9a38f58f0',
        },
        {
          package: 'nvidia-cuda-nvrtc-cu12',
          version: '12.9.86',
          filename: 'nvidia_cuda_nvrtc_cu12-12.9.86-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl',
          bytes: 89_568_129,
          sha256: '210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4',
        },
        {
          package: 'nvidia-cuda-runtime-cu12',
          version: '12.9.79',
          filename:
            'nvidia_cuda_runtime_cu12-12.9.79-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
          bytes: 3_493_179,
          sha256: '25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3',
        },
        {
          package: 'nvidia-cudnn-cu12',
          version: '9.10.2.21',
          filename: 'nvidia_cudnn_cu12-9.10.2.21-py3-none-manylinux_2_27_x86_64.whl',
          bytes: 706_758_467,
          sha256: '949452be657fa16687d0930933f032835951ef0892b37d2d53824d1a84dc97a8',
        },
        {
          package: 'nvidia-cufft-cu12',
          version: '11.4.1.4',
          filename: 'nvidia_cufft_cu12-11.4.1.4-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
          bytes: 200_877_592,
          sha256: 'c67884f2a7d276b4b80eb56a79322a95df592ae5e765cf1243693365ccab4e28',
        },
        {
          package: 'nvidia-curand-cu12',
          version: '10.3.10.19',
          filename: 'nvidia_curand_cu12-10.3.10.19-py3-none-manylinux_2_27_x86_64.whl',
          bytes: 68_295_626,
          sha256: '49b274db4780d421bd2ccd362e1415c13887c53c214f0d4b761752b8f9f6aa1e',
        },
        {
          package: 'nvidia-cusolver-cu12',
          version: '11.7.5.82',
          filename: 'nvidia_cusolver_cu12-11.7.5.82-py3-none-manylinux_2_27_x86_64.whl',
          bytes: 338_117_415,
          sha256: '15da72d1340d29b5b3cf3fd100e3cd53421dde36002eda6ed93811af63c40d88',
        },
        {
          package: 'nvidia-cusparse-cu12',
          version: '12.5.10.65',
          filename: 'nvidia_cusparse_cu12-12.5.10.65-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
          bytes: 366_465_088,
          sha256: '73060ce019ac064a057267c585bf1fd5a353734151f87472ff02b2c5c9984e78',
        },
        {
          package: 'nvidia-nccl-cu12',
          version: '2.27.7',
          filename: 'nvidia_nccl_cu12-2.27.7-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
          bytes: 322_546_339,
          sha256: 'de5ba5562f08029a19cb1cd659404b18411ed0d6c90ac5f52f30bf99ad5809aa',
        },
        {
          package: 'nvidia-nvjitlink-cu12',
          version: '12.9.86',
          filename: 'nvidia_nvjitlink_cu12-12.9.86-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl',
          bytes: 39_748_338,
          sha256: 'e3f1171dbdc83c5932a45f0f4c99180a70de9bd2718c1ab77d14104f6d7147f9',
        },
      ],
    },
    {
      build: 'cpu',
      platform: 'linux-arm64',
      cc: 'tensorflow/libtensorflow_cc.so.2',
      framework: 'tensorflow/libtensorflow_framework.so.2',
      unpackedBytes: 883_062_208,
      wheels: [
        {
          package: 'tensorflow',
          version: '2.21.0',
          filename: 'tensorflow-2.21.0-cp311-cp311-manylinux_2_27_aarch64.whl',
          bytes: 281_828_020,
          sha256: '4b24aca16d527a3cf1c37f720c04c484c3d20f4d0fdfa98632ac8b9f3be6eb5c',
        },
      ],
    },
    {
      build: 'cpu',
      platform: 'darwin-arm64',
      cc: 'tensorflow/libtensorflow_cc.2.dylib',
      framework: 'tensorflow/libtensorflow_framework.2.dylib',
      unpackedBytes: 740_805_624,
      wheels: [
        {
          package: 'tensorflow',
          version: '2.21.0',
          filename: 'tensorflow-2.21.0-cp311-cp311-macosx_12_0_arm64.whl',
          bytes: 223_405_849,
          sha256: '51f46f4806139d01fc7920cc72a4c75876f80649bf40ff083ab6212ceb43ca88',
        },
      ],
    },
  ],
};

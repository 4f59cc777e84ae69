"""Reads and crops images with torchvision's DataLoader and Pillow: the other side of `npm run bench:images`.

    python torchvision_images.py FOLDER OUT SIZE

Writes the crops into OUT, in the order of the names, and prints a line of JSON.
"""
import json
import os
import sys
import time

import numpy as np
import PIL
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.datasets.folder import pil_loader

folder, out, size = sys.argv[1], sys.argv[2], int(sys.argv[3])


def center_crop(image):
    """Crops as ADM, DiT and SiT do."""
    while min(*image.size) >= 2 * size:
        image = image.resize(tuple(x // 2 for x in image.size), resample=Image.BOX)
    scale = size / min(*image.size)
    image = image.resize(tuple(round(x * scale) for x in image.size), resample=Image.BICUBIC)
    array = np.array(image)
    top, left = (array.shape[0] - size) // 2, (array.shape[1] - size) // 2
    return torch.from_numpy(array[top:top + size, left:left + size].copy())


class Images(torch.utils.data.Dataset):
    names = sorted(os.listdir(folder))

    def __len__(self):
        return len(self.names)

    def __getitem__(self, index):
        return center_crop(pil_loader(os.path.join(folder, self.names[index])))


if __name__ == '__main__':
    workers = len(os.sched_getaffinity(0))
    loader = DataLoader(Images(), batch_size=32, num_workers=workers, persistent_workers=True)
    crops = list(loader)  # starts the workers, and warms the files
    start = time.perf_counter()
    for _ in loader:
        pass
    seconds = time.perf_counter() - start
    with open(out, 'wb') as file:
        file.write(torch.cat(crops).numpy().tobytes())
    name = 'Pillow-SIMD' if '.post' in PIL.__version__ else 'Pillow'
    print(json.dumps({'library': f'torchvision with {name} {PIL.__version__}',
                      'imagesPerSecond': len(Images()) / seconds}))

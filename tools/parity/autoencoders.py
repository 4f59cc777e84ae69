"""Write test/fixtures/autoencoders/: autoencoders as latent diffusion, FLUX and diffusers leave them, and what they compute.

usage: python tools/parity/autoencoders.py LATENT_DIFFUSION FLUX OUT
(checkouts of CompVis/latent-diffusion and black-forest-labs/flux; torch, einops, safetensors, diffusers)
"""
import os
import sys

ldm, flux, out = sys.argv[1:4]
sys.path[:0] = [ldm, os.path.join(flux, 'src/flux/modules')]
import torch
from autoencoder import AutoEncoder, AutoEncoderParams
from diffusers import AutoencoderKL
from ldm.modules.diffusionmodules.model import Decoder, Encoder
from safetensors.torch import save_file

os.makedirs(out, exist_ok=True)
sizes = dict(resolution=16, in_channels=3, out_ch=3, ch=32, ch_mult=[1, 1], num_res_blocks=1, z_channels=4)


class LatentDiffusion(torch.nn.Module):
    """ldm.models.autoencoder.AutoencoderKL, without Lightning; its loss has a discriminator of its own."""

    def __init__(self):
        super().__init__()
        self.encoder = Encoder(**sizes, double_z=True, attn_resolutions=[], dropout=0.0)
        self.decoder = Decoder(**sizes, double_z=True, attn_resolutions=[], dropout=0.0)
        self.loss = torch.nn.Module()
        self.loss.logvar = torch.nn.Parameter(torch.zeros(()))
        self.loss.discriminator = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 4))
        self.quant_conv = torch.nn.Conv2d(8, 8, 1)
        self.post_quant_conv = torch.nn.Conv2d(4, 4, 1)


def randomise(model):
    """Random weights that half precision holds exactly."""
    for name, p in model.named_parameters():
        if p.dim() < 2:
            p.copy_(0.1 * torch.randn_like(p) + (1 if p.dim() == 1 and name.endswith('weight') else 0))
        p.copy_(p.half().float())
    return model.eval()


with torch.no_grad():
    torch.manual_seed(3)
    x = torch.rand(2, 3, 16, 16) * 2 - 1
    model = randomise(LatentDiffusion())
    mean, _ = model.quant_conv(model.encoder(x)).chunk(2, 1)
    expected = {'image': x, 'ldm.mean': mean, 'ldm.decoded': model.decoder(model.post_quant_conv(mean))}
    half = {name: value.half() for name, value in model.state_dict().items()}
    torch.save({'epoch': 1, 'global_step': 2, 'pytorch-lightning_version': '1.4.2', 'state_dict': half, 'callbacks': {}, 'optimizer_states': []}, f'{out}/kl_f2.ckpt')

    # FLUX gives the same convolutions the same names, and has none about the latents.
    other = AutoEncoder(AutoEncoderParams(**sizes, scale_factor=0.3611, shift_factor=0.1159)).eval()
    other.load_state_dict({k: v for k, v in model.state_dict().items() if k.startswith(('encoder', 'decoder'))})
    latent = other.encode(x)
    expected |= {'flux.latent': latent, 'flux.decoded': other.decode(latent)}

    # SD3's form: 16 channels, a shift, no convolution about the latents.
    torch.manual_seed(4)
    vae = randomise(AutoencoderKL(latent_channels=16, block_out_channels=[8, 8], norm_num_groups=4, sample_size=16, down_block_types=['DownEncoderBlock2D'] * 2, up_block_types=['UpDecoderBlock2D'] * 2, scaling_factor=1.5305, shift_factor=0.0609, use_quant_conv=False, use_post_quant_conv=False))
    mean = vae.encode(x).latent_dist.mean
    expected |= {'sd3.mean': mean, 'sd3.decoded': vae.decode(mean).sample}
    save_file({name: value.contiguous() for name, value in expected.items()}, f'{out}/expected.safetensors')
    vae.half()
    vae.save_pretrained(f'{out}/sd3', max_shard_size='30KB')
    vae.save_pretrained(f'{out}/sd3_fp16', max_shard_size='30KB', variant='fp16')
    vae.save_pretrained(f'{out}/sd3_bin', max_shard_size='30KB', safe_serialization=False)

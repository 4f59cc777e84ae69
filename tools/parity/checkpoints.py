"""Write test/fixtures/people_*.pt: checkpoints as training programs leave them, of models of a few kilobytes.

usage: checkpoints.py REFERENCE_CHECKOUT REPA_CHECKOUT LIGHTNINGDIT_CHECKOUT OUT     (torch, timm, safetensors, ema-pytorch, diffusers)
"""
import sys, argparse, collections, datetime, enum, random, types, copy, importlib.util, os
import numpy as np, torch
import timm.layers; sys.modules['timm.models.layers'] = timm.layers
from safetensors.torch import save_file
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
reference, repa, lightning, out = sys.argv[1:]
torch.manual_seed(0)
def module(path, name):
    spec = importlib.util.spec_from_file_location(name, path); m = importlib.util.module_from_spec(spec); sys.modules[name] = m; spec.loader.exec_module(m); return m
sys.path.insert(0, os.path.join(reference, 'attention_mediator'))
SiT = module(os.path.join(reference, 'attention_mediator/models.py'), 'models').SiT
def filled(m):
    with torch.no_grad():
        for n, p in m.named_parameters():
            if n != 'pos_embed': p.copy_(torch.randn_like(p) * 0.5)
    return m
new = lambda: filled(SiT(input_size=4, patch_size=2, in_channels=1, hidden_size=4, depth=1, num_heads=2, num_classes=2, mediator_num=1)).half()
model, average = new(), new()
class Color(enum.Enum): RED = 1
class Options:
    def __init__(self): self.when = datetime.datetime(2024, 8, 5); self.me = self
args = argparse.Namespace(path_type='GVP', prediction='velocity', num_classes=2, image_size=4096, color=Color.RED, options=Options(), lr=np.float32(1e-4), betas=np.array([.9, .99]), device=torch.device('cpu'), keyed={Color.RED: 1, (1, 2): 3}, log=collections.defaultdict(list, a=[1]))
# Compiled, parallel, with checkpoints of a block's activations; the average by PyTorch's own AveragedModel.
wrapped = {'module._orig_mod.' + k.replace('blocks.0.', 'blocks.0._checkpoint_wrapped_module.'): v for k, v in model.state_dict().items()}
averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(.9)); averaged.module.load_state_dict(average.state_dict())
torch.save(dict(net=wrapped, model_ema=averaged.state_dict(), args=args, steps=torch.tensor(7), rng_state=dict(torch=torch.get_rng_state(), python=random.getstate(), numpy=np.random.get_state()), best=np.float64(3.2)), out + '/people_wrapped.pt')
# Views and classes of tensors; a whole module.
bias = model.state_dict()['blocks.0.attn.qkv.bias'].float()
negated = torch.complex(torch.zeros(12), -bias).conj().imag; assert negated.is_neg()
parameter = torch.nn.Parameter(model.state_dict()['x_embedder.proj.bias'].clone()); parameter.no_decay = True
buffer = torch.nn.Buffer(model.state_dict()['pos_embed'].clone()); buffer.tag = 'x'
torch.save(dict(model={**model.state_dict(), 'blocks.0.attn.qkv.bias': negated, 'x_embedder.proj.bias': parameter, 'pos_embed': buffer}, ema=average), out + '/people_views.pt')
save_file({**{'model.' + k: v.float().contiguous() for k, v in model.state_dict().items()}, **{'ema.' + k: v.float().contiguous() for k, v in average.state_dict().items()}}, out + '/people.safetensors')
# REPA's own model: projectors, no variance, time from data to noise.
REPA = module(os.path.join(repa, 'models/sit.py'), 'repa_sit').SiT
m = filled(REPA(path_type='linear', input_size=4, patch_size=2, in_channels=2, hidden_size=8, decoder_hidden_size=8, encoder_depth=1, depth=1, num_heads=2, num_classes=2, z_dims=[4], projector_dim=4, qk_norm=False)).eval()
torch.save(dict(model=m.state_dict(), ema=m.state_dict(), opt={}, steps=9, args=argparse.Namespace(model='SiT-XL/2', path_type='linear', prediction='v', enc_type='dinov2-vit-b', resolution=32, num_classes=2)), out + '/people_repa.pt')
x, t, y = torch.randn(3, 2, 4, 4), torch.tensor([0., .3, .9]), torch.tensor([0, 1, 2])
with torch.no_grad(): o, _ = m(x, t, y)
save_file(dict(x=x, t=t, y=y, out=o), out + '/people_repa.safetensors')
# Models of others that have many of a SiT's names.
del sys.modules['models']; sys.path.insert(0, lightning)
from models.lightningdit import LightningDiT
state = {k: v.half() for k, v in LightningDiT(input_size=4, patch_size=1, in_channels=2, hidden_size=8, depth=1, num_heads=2, num_classes=2, use_qknorm=False, use_swiglu=True, use_rope=True, use_rmsnorm=True, wo_shift=False).state_dict().items()}
torch.save(dict(model=state, ema=state), out + '/people_lightningdit.pt')
from diffusers import DiTTransformer2DModel
dit = DiTTransformer2DModel(num_attention_heads=2, attention_head_dim=4, in_channels=2, out_channels=4, num_layers=1, norm_num_groups=1, sample_size=4, num_embeds_ada_norm=2).half()
save_file({k: v.contiguous() for k, v in dit.state_dict().items()}, out + '/people_dit_diffusers.safetensors')

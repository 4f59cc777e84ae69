"""Write test/fixtures/model_lightning_*.safetensors: outputs and gradients of LightningDiT's own code, and of the reference's
mediators in LightningDiT's blocks, where rotation comes after the averages and mediators stand in the middle of their windows.
Value residuals are those of SpeedrunDiT's own attention, and mediators gather and convolve the mixed values.

usage: lightningdit.py LIGHTNINGDIT_CHECKOUT REFERENCE_CHECKOUT SPEEDRUNDIT_CHECKOUT OUT     (torch, timm, einops, safetensors)
"""
import os, sys, types, json, importlib.util
os.environ['TORCHDYNAMO_DISABLE'] = '1'
import torch, timm.layers
from torch import nn
from safetensors.torch import save_file
sys.modules['timm.models.layers'] = timm.layers
# RMSNorm's file is Llama's, whose other classes are distributed.
for name in ['fairscale', 'fairscale.nn', 'fairscale.nn.model_parallel', 'fairscale.nn.model_parallel.initialize', 'fairscale.nn.model_parallel.layers']:
    sys.modules[name] = types.ModuleType(name)
for name in ['ColumnParallelLinear', 'ParallelEmbedding', 'RowParallelLinear']:
    setattr(sys.modules['fairscale.nn.model_parallel.layers'], name, None)
lightning, reference, speedrun, out = sys.argv[1:]
sys.path.insert(0, lightning)
from models.lightningdit import LightningDiT
def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module)
    return module
theirs = load('reference_models', os.path.join(reference, 'attention_mediator/models.py'))
sit = load('speedrun_models', os.path.join(speedrun, 'models/sit.py'))

class Mediators(theirs.AttentionWithMediators):
    """The reference's attention, with LightningDiT's rotation and norms of queries and keys."""
    def __init__(self, full, grid, mediators, first=None):
        super().__init__(full.proj.in_features, (grid, grid), full.num_heads, mediator_num=mediators)
        self.q_norm, self.k_norm, self.first = full.q_norm, full.k_norm, [first]
        if first is not None: self.v1_lambda = nn.Parameter(torch.tensor(.5))
    def forward(self, x, rope=None):
        b, n, c = x.shape; g = int(n ** .5); s = int(self.mediator_num ** .5); heads = lambda z: z.reshape(b, -1, self.num_heads, c // self.num_heads).transpose(1, 2)
        q, k, v = (heads(z) for z in self.qkv(x).split(c, -1)); q, k = self.q_norm(q), self.k_norm(k); self.v_last = v
        if self.first[0] is not None: v = self.v1_lambda * self.first[0].v_last + (1 - self.v1_lambda) * v
        m = heads(self.pool(q.transpose(1, 2).reshape(b, g, g, c).permute(0, 3, 1, 2)).flatten(2).transpose(1, 2))
        if rope is not None:
            # cos and sin at any place: LightningDiT's frequencies, as its tables have them at the places 0 and 1.
            half = c // self.num_heads // 2; angles = torch.atan2(rope.freqs_sin, rope.freqs_cos)[1, half:]
            middle = torch.stack([torch.arange(g)[i * g // s:-(-(i + 1) * g // s)].float().mean() for i in range(s)])
            rows, columns = middle[:, None].expand(s, s).flatten(), middle[None].expand(s, s).flatten()
            a = torch.cat([rows[:, None] * angles, columns[:, None] * angles], -1)
            turned = torch.view_as_real(torch.view_as_complex(m.reshape(*m.shape[:-1], -1, 2).contiguous()) * torch.exp(1j * a[:, ::2])).flatten(-2)
            q, k, m = rope(q), rope(k), turned
        size = (g, g); M = self.mediator_num; bias = lambda t: nn.functional.interpolate(t, size=size, mode='bilinear').reshape(1, self.num_heads, M, n)
        gather = ((m * self.scale) @ k.transpose(-2, -1) + bias(self.an_bias) + (self.ah_bias + self.aw_bias).reshape(1, self.num_heads, M, n)).softmax(-1)
        read = ((q * self.scale) @ m.transpose(-2, -1) + bias(self.na_bias).transpose(-2, -1) + (self.ha_bias + self.wa_bias).reshape(1, self.num_heads, n, M)).softmax(-1)
        y = (read @ (gather @ v)).transpose(1, 2).reshape(b, n, c)
        return self.proj(y + self.dwc(v.transpose(1, 2).reshape(b, g, g, c).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).reshape(b, n, c))

class Values(sit.Attention):
    """SpeedrunDiT's attention, with LightningDiT's rotation and norms of queries and keys."""
    def __init__(self, full, first):
        super().__init__(full.proj.in_features, full.num_heads, qkv_bias=True, use_v1_residual=first is not None)
        self.q_norm, self.k_norm, self.first = full.q_norm, full.k_norm, [first]
    def forward(self, x, rope=None):
        v1 = None if self.first[0] is None else self.first[0].v_last
        return super().forward(x, rope=None if rope is None else lambda z, ids: rope(z), v1=v1)

def write(name, mediators, seed, hidden_size=16, use_v1_residual=False, **switches):
    torch.manual_seed(seed)
    sizes = dict(input_size=10, patch_size=2, in_channels=4, hidden_size=hidden_size, depth=len(mediators), num_heads=2, num_classes=3)
    model = LightningDiT(**sizes, learn_sigma=True, **switches)
    first = None
    for block, count in zip(model.blocks, mediators):
        if count: block.attn = Mediators(block.attn, 5, count, first)
        elif use_v1_residual: block.attn = Values(block.attn, first)
        if use_v1_residual and first is None: first = block.attn
    with torch.no_grad():
        for key, p in model.named_parameters():
            if key != 'pos_embed': p.add_(torch.randn_like(p) * .2)
    model.eval()
    x, t, y, target = torch.randn(3, 4, 10, 10), torch.rand(3), torch.tensor([0, 2, 3]), torch.randn(3, 4, 10, 10)
    o = model(x, t, y); loss = (o - target).square().mean(); loss.backward()
    cx = torch.randn(2, 4, 10, 10); ct = torch.full((2,), .4); cy = torch.tensor([1, 3]); cx[1] = cx[0]
    tensors = dict(x=x, t=t, y=y, target=target, out=o, loss=loss, cfg_x=cx, cfg_t=ct, cfg_y=cy, cfg_out=model.forward_with_cfg(cx, ct, cy, 2.5))
    tensors |= {'param.' + k: v for k, v in model.state_dict().items()} | {'grad.' + k: p.grad for k, p in model.named_parameters() if p.grad is not None}
    described = dict(model=dict(**sizes, mediator_num=mediators, **switches, **(dict(use_v1_residual=True) if use_v1_residual else {})), cfg_scale=2.5, tolerance='max abs 1e-4 relative')
    save_file({k: v.detach().float().contiguous() if v.is_floating_point() else v for k, v in tensors.items()}, f'{out}/model_lightning_{name}.safetensors', dict(spec=json.dumps(described)))

everything = dict(use_rope=True, use_swiglu=True, use_rmsnorm=True)
write('all', [0, 0], 0, **everything)
write('rope', [0, 0], 1, use_rope=True, use_qknorm=True)
write('swiglu', [0, 0], 2, use_swiglu=True)
write('rmsnorm', [0, 0], 3, use_rmsnorm=True, use_qknorm=True)
write('mediators', [4, 9], 4, use_qknorm=True, **everything)
write('values', [0, 0, 0], 5, hidden_size=8, use_v1_residual=True)
write('values_mediators', [4, 0, 9], 6, hidden_size=8, use_v1_residual=True, use_qknorm=True, **everything)

"""MSG-VIM: mattes of people out of sequences of their masks, frames guided by those before (Li et al., WACV 2024)."""

from __future__ import annotations

from vimatte.engine.matting.msg_vim.model import MsgVim

__all__ = ["MsgVim"]

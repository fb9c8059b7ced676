# Installs vimatte for this user, in one folder (~\.vimatte), without administrator's rights; Windows PowerShell 5.1 and 7:
#   powershell -ExecutionPolicy Bypass -File install.ps1 --help
# It finds a Python 3.11 to 3.13, or lets uv fetch one; everything else is install.py, the same on every system. Options
# are those of install.sh, in the same spelling, so there is no param block: it would take them for parameters of its own.
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'

$here = Split-Path -Parent $MyInvocation.MyCommand.Path
# 5.1 quotes "C:\a b\" so that the program reads the quote: no folder needs its last backslash.
$options = @($args | ForEach-Object { $text = "$_"; if ($text -match '\s') { $text.TrimEnd('\') } else { $text } })

$wanted = @('3.13', '3.12', '3.11')
$versionFile = Join-Path $here 'python_version'
if (Test-Path -LiteralPath $versionFile) {
    # The wheels of a bundle are for one Python.
    $wanted = @((Get-Content -LiteralPath $versionFile -TotalCount 1).Trim())
}

function Get-Option([string] $name, [string] $default) {
    for ($i = 0; $i -lt $options.Count; $i++) {
        if ($options[$i] -eq $name -and $i + 1 -lt $options.Count) { return $options[$i + 1] }
        if ($options[$i].StartsWith("$name=")) { return $options[$i].Substring($name.Length + 1) }
    }
    return $default
}

$prefix = Get-Option '--prefix' (Join-Path $HOME '.vimatte')
if ($prefix -match '^~[\\/]') { $prefix = Join-Path $HOME $prefix.Substring(2) }
if (-not [IO.Path]::IsPathRooted($prefix)) { $prefix = Join-Path (Get-Location).ProviderPath $prefix }
$named = Get-Option '--python' "$env:VIMATTE_PYTHON"
$uninstalling = $options -contains '--uninstall'
$dryRun = $options -contains '--dry-run'

# Run a program quietly; its words, or $null where it is missing or fails. The stub of the Microsoft Store fails.
function Invoke-Quiet([string[]] $command) {
    $ErrorActionPreference = 'Continue'
    $program, $arguments = $command
    $arguments = @($arguments)
    try {
        $said = & $program @arguments 2>$null
        if ($LASTEXITCODE -eq 0) { return ($said -join "`n").Trim() }
    } catch {
        Write-Verbose "$program cannot be started: $_"
    }
    return $null
}

# Whether a command, such as py -3.13, is an interpreter that suits. The code has no double quotes: 5.1 would lose them.
function Test-Interpreter([string[]] $command) {
    $code = 'import sys, venv, ensurepip; ok = str.join(chr(46), map(str, sys.version_info[:2])) in sys.argv[1:]; ' +
        'print(1 if ok and sys.maxsize > 2**32 else 0)'
    return (Invoke-Quiet ($command + @('-I', '-c', $code) + $wanted)) -eq '1'
}

# A path that uv says; it writes UTF-8 whatever the console thinks.
function Find-ByUv([string] $version) {
    $before = [Console]::OutputEncoding
    try {
        [Console]::OutputEncoding = New-Object Text.UTF8Encoding $false
        return Invoke-Quiet @('uv', 'python', 'find', $version)
    } finally {
        [Console]::OutputEncoding = $before
    }
}

# The command that starts Python, as one or two words.
function Find-Python {
    if ($named) {
        if (Test-Interpreter @($named)) { return $named }
        [Console]::Error.WriteLine("Error: $named is no 64-bit Python of version $($wanted -join ', '); name another, or leave --python away.")
        exit 2
    }
    foreach ($version in $wanted) {
        if (Test-Interpreter @('py', "-$version")) { return @('py', "-$version") }
    }
    foreach ($name in @('python3', 'python')) {
        if (Test-Interpreter @($name)) { return $name }
    }
    if (-not $uninstalling -and (Get-Command 'uv' -ErrorAction SilentlyContinue)) {
        if ($dryRun) {
            Write-Host "python    $($wanted[0]), to be fetched by uv into $(Join-Path $prefix 'python')"
            Write-Host '(what follows from it is decided when it is there)'
            exit 0
        }
        # With these, all that it fetches lies in the prefix and nothing is put on PATH or into the registry.
        $env:UV_CACHE_DIR = Join-Path (Join-Path $prefix 'uv') 'cache'
        $env:UV_PYTHON_INSTALL_BIN = '0'
        $env:UV_PYTHON_INSTALL_REGISTRY = '0'
        foreach ($version in $wanted) {
            # One that uv fetched for somebody else will do.
            $found = Find-ByUv $version
            if ($found -and (Test-Interpreter @($found))) { return $found }
        }
        $env:UV_PYTHON_INSTALL_DIR = Join-Path $prefix 'python'
        Write-Host "Fetching Python $($wanted[0]) with uv"
        & uv python install $wanted[0] | Out-Host
        $env:UV_PYTHON_PREFERENCE = 'only-managed'
        $found = Find-ByUv $wanted[0]
        if ($found) { return $found }
    }
    if ($uninstalling) {
        foreach ($folder in @($prefix, (Split-Path -Parent $here))) {
            $own = Join-Path $folder 'venv\Scripts\python.exe'
            if (Test-Interpreter @($own)) { return $own }
        }
    }
    [Console]::Error.WriteLine("Error: no 64-bit Python of version $($wanted -join ', ') was found, and no uv to fetch one; " +
        'install one from python.org (no administrator''s rights needed), or name it: --python PATH')
    exit 3
}

$python = @(Find-Python)
$leading = @($python | Select-Object -Skip 1)
$leftover = [IO.Path]::GetTempFileName()
$env:VIMATTE_LEFTOVER = $leftover
$code = 3
try {
    & $python[0] @leading -I -B (Join-Path $here 'install.py') @options
    $code = $LASTEXITCODE
    # A Python cannot remove the folder it runs from.
    foreach ($left in @(Get-Content -LiteralPath $leftover -Encoding UTF8)) {
        if (-not $left) { continue }
        Remove-Item -LiteralPath $left -Recurse -Force
        $parent = Split-Path -Parent $left
        if (-not (Get-ChildItem -LiteralPath $parent -Force)) { Remove-Item -LiteralPath $parent }
    }
} finally {
    Remove-Item -LiteralPath $leftover -Force
    Remove-Item Env:VIMATTE_LEFTOVER
}
exit $code

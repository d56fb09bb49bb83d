// Verifiers of logs that others wrote, to try ours with: golang.org/x/mod (sumdb/note, sumdb/tlog), and of
// transparency-dev merkle, formats, and Tessera's fsck. Nothing of ours is verified by code of ours here.
//
//	log fsck VKEY FOLDER|URL          the whole log, computed again
//	log consistent VKEY FOLDER OLD    that the log goes on from the checkpoint in the file OLD
//	log proof VKEY PROOF ENTRY        that the entry stands where the .tlog-proof says
//	log note VKEY FILE                the signed note
//	log paths                         a proof a line on stdin, a verdict a line on stdout
//
// Exit code 0: it is accepted. 1: it is not, and stderr says why.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/transparency-dev/formats/log"
	tproof "github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 1 && args[0] == "paths" {
		return paths()
	}
	if len(args) < 3 {
		return errors.New("wrong use")
	}
	key, err := note.NewVerifier(args[1])
	if err != nil {
		return err
	}
	switch {
	case args[0] == "fsck":
		return whole(key, args[2])
	case args[0] == "note":
		_, err = opened(key, args[2])
		return err
	case args[0] == "consistent" && len(args) == 4:
		return consistent(key, args[2], args[3])
	case args[0] == "proof" && len(args) == 4:
		return proven(key, args[2], args[3])
	}
	return errors.New("wrong use")
}

func opened(key note.Verifier, file string) (*note.Note, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return note.Open(data, note.VerifierList(key))
}

func whole(key note.Verifier, where string) error {
	var files fsck.Fetcher = client.FileFetcher{Root: where}
	if strings.HasPrefix(where, "http") {
		at, err := url.Parse(where)
		if err != nil {
			return err
		}
		if files, err = client.NewHTTPFetcher(at, nil); err != nil {
			return err
		}
	}
	return fsck.New(key.Name(), key, files, hashes, fsck.Opts{N: 2}).Check(context.Background())
}

func hashes(bundle []byte) ([][]byte, error) {
	var read api.EntryBundle
	if err := read.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	found := make([][]byte, 0, len(read.Entries))
	for _, entry := range read.Entries {
		found = append(found, rfc6962.DefaultHasher.HashLeaf(entry))
	}
	return found, nil
}

func consistent(key note.Verifier, folder, old string) error {
	ctx, files := context.Background(), client.FileFetcher{Root: folder}
	last, _, _, err := client.FetchCheckpoint(ctx, files.ReadCheckpoint, key, key.Name())
	if err != nil {
		return err
	}
	data, err := os.ReadFile(old)
	if err != nil {
		return err
	}
	first, _, _, err := log.ParseCheckpoint(data, key.Name(), key)
	if err != nil {
		return err
	}
	builder, err := client.NewProofBuilder(ctx, last.Size, files.ReadTile)
	if err != nil {
		return err
	}
	path, err := builder.ConsistencyProof(ctx, first.Size, last.Size)
	if err != nil {
		return err
	}
	return proof.VerifyConsistency(rfc6962.DefaultHasher, first.Size, last.Size, path, first.Hash, last.Hash)
}

func proven(key note.Verifier, file, entry string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var read tproof.TLogProof
	if err := read.Unmarshal(data); err != nil {
		return err
	}
	signed, _, _, err := log.ParseCheckpoint(read.Checkpoint, key.Name(), key)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(entry)
	if err != nil {
		return err
	}
	path := make([][]byte, 0, len(read.Hashes))
	for _, hash := range read.Hashes {
		path = append(path, hash[:])
	}
	leaf := rfc6962.DefaultHasher.HashLeaf(content)
	return proof.VerifyInclusion(rfc6962.DefaultHasher, read.Index, signed.Size, leaf, path, signed.Hash)
}

// A line is: kind (i or c), two numbers, two hashes, and the path's hashes.
//
//	i INDEX SIZE LEAF ROOT PATH...
//	c FIRST SECOND ROOT ROOT PATH...
func paths() error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		one, other, err := judged(words)
		if err != nil {
			return err
		}
		fmt.Println(one == nil, other == nil)
	}
	return lines.Err()
}

func judged(words []string) (one, other, err error) {
	if len(words) < 5 {
		return nil, nil, errors.New("wrong use")
	}
	first, _ := strconv.ParseUint(words[1], 10, 64)
	second, _ := strconv.ParseUint(words[2], 10, 64)
	var known [2]tlog.Hash
	var path [][]byte
	var records tlog.RecordProof
	for n, word := range words[3:] {
		data, err := hex.DecodeString(word)
		if err != nil || len(data) != len(tlog.Hash{}) {
			return nil, nil, errors.New("not a hash")
		}
		if n < len(known) {
			known[n] = tlog.Hash(data)
			continue
		}
		path, records = append(path, data), append(records, tlog.Hash(data))
	}
	if words[0] == "i" {
		one = proof.VerifyInclusion(rfc6962.DefaultHasher, first, second, known[0][:], path, known[1][:])
		return one, tlog.CheckRecord(records, int64(second), known[1], int64(first), known[0]), nil
	}
	one = proof.VerifyConsistency(rfc6962.DefaultHasher, first, second, path, known[0][:], known[1][:])
	return one, tlog.CheckTree(tlog.TreeProof(records), int64(second), known[1], int64(first), known[0]), nil
}
